"""Names that FunASR's configurations have beside those of a model's parts: nobody minds them in a recipe.

They are those of configurations that were published, of before 1.0 and since, and of what its trainer is told.
"""

THEIRS = frozenset({
    "CharTokenizer", "Model", "TokenIDConverter", "WavFrontend", "access_key_id", "access_key_secret", "accum_grad",
    "allow_variable_data_keys", "backend", "batch_bins", "batch_size", "batch_type", "best_model_criterion", "bf16",
    "bpemodel", "bucket_name", "chunk_length", "chunk_shift_ratio", "cleaner", "collect_stats", "config",
    "cudnn_benchmark", "cudnn_deterministic", "cudnn_enabled", "dataset_type", "ddp_backend", "debug",
    "detect_anomaly", "device", "dist_backend", "dist_init_method", "dist_launcher", "dist_master_addr",
    "dist_master_port", "dist_rank", "dist_world_size", "distributed", "dry_run", "early_stopping_criterion",
    "enable_tf32", "endpoint", "excludes", "fold_length", "fp16", "freeze_param", "g2p", "gpu_id", "grad_clip",
    "grad_clip_type", "grad_noise", "hub", "ignore_init_mismatch", "init", "init_param", "input_size",
    "is_training", "iterator_type", "joint_net_conf", "keep_nbest_models", "local_rank", "log_interval",
    "log_level", "lora_bias", "lora_only", "max_cache_fd", "max_cache_size", "max_epoch", "max_update",
    "model_path", "model_revision", "multiple_iterator", "multiprocessing_distributed", "nbest_averaging_interval",
    "ncpu", "ngpu", "no_forward_run", "noise_apply_prob", "noise_db_range", "noise_scp", "non_linguistic_symbols",
    "num_att_plot", "num_cache_chunks", "num_iters_per_epoch", "num_worker_count", "num_workers", "oss_bucket",
    "output_dir", "patience", "pretrain_path", "print_config", "punc_list", "punctuation_conf", "remote_code",
    "required", "resume", "rir_apply_prob", "rir_scp", "scope_map", "seed", "sharded_ddp", "simple_ddp",
    "sort_batch", "sort_in_batch", "speech_length_max", "speech_length_min", "speech_volume_normalize",
    "split_with_space", "token_type", "train_data_file", "train_data_path_and_name_and_type", "train_data_set_list",
    "train_dtype", "train_shape_file", "trust_remote_code", "unused_parameters", "use_amp", "use_matplotlib",
    "use_pai", "use_preprocessor", "use_tensorboard", "use_wandb", "vad_post_conf", "val_scheduler_criterion",
    "valid_batch_bins", "valid_batch_size", "valid_batch_type", "valid_data_file",
    "valid_data_path_and_name_and_type", "valid_data_set_list", "valid_max_cache_size", "valid_shape_file",
    "version", "vocab_size", "wandb_entity", "wandb_id", "wandb_model_log_interval", "wandb_name", "wandb_project",
    "write_collected_feats",
})  # fmt: skip
