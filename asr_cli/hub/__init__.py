"""Models on disk: where they lie, what the hubs say of them, and how they come here.

places: find a model that is already on this machine, whoever downloaded it.
manifest: what a model consists of. modelscope, huggingface: each hub's word on that. ask: one hub, or both at once.
memory: what they said when they were last asked.
transfer: one file, resumed and checked. pull: a whole model, complete or not there at all.
"""
