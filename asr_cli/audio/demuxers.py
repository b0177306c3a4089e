"""The containers that may be opened: those that hold their sound themselves.

ffmpeg also reads playlists, concat scripts, session descriptions, numbered pictures and devices, and so
opens other files, addresses or hardware. A list of the allowed also keeps out what is yet to come.
Left out as well: captions, pictures, text screens, and headerless formats known by a suffix alone.
"""

USUAL = """
3g2 3gp aa aac aax ac3 ac4 act aea aiff aix amr amrnb amrwb apac apc ape aptx aptx_hd apv asf asf_o au av1
avi avr avs2 avs3 bonk caf cavsvideo codec2 daud dfpwm dhav dirac dnxhd dsf dts dtshd dv eac3 epaf evc flac
flv g722 gsm gxf h261 h263 h264 hcom hevc iamf iff ilbc ircam ivf ivr kux laf lc3 live_flv lmlm4 loas
lxf m4a m4v matroska mca mj2 mlp mmf mods moflex mov mp3 mp4 mpc mpc8 mpeg mpegts mpegtsraw mpegvideo msf
mxf nistsphere nsv nut nuv obu ogg oma osq paf pva pvf qcp qoa rka rm rso sbc sds shn smjpeg sox spdif swf
tak truehd tta ty usm vc1 vc1test vividas vivo voc vqf vvc w64 wav webm wsd wtv wv wve xwma yop
"""
GAMES_AND_TRACKERS = """
3dostr 4xm ace acm adp ads adx afc alp anm argo_asf argo_brp argo_cvg ast avs bethsoftvid bfi bfstm bink
binka bit bmv boa brstm c93 cdxl dcstr derf dsicin dss dxa ea ea_cdata film_cpk fsb fwse gdv genh hca hnm
hxvs idcin ipmovie ipu iss iv8 jv kvag libgme libopenmpt luodat lvf mgsts mm msnwctcp msp mtaf mtv musx mv
mvi mxg nc nsp pdv pp_bnk psxstr redspark rl2 roq rpl rsd s337m sdns sdr2 sdx ser sga siff simbiosis_imx smk
smush sol svag svs thp tiertexseq tmv txd vag vmd vpk wady wavarc wc3movie wsaud wsvqa xa xmd xmv xvag
"""
FORMAT_WHITELIST = ",".join((USUAL + GAMES_AND_TRACKERS).split())
