"""The fields of the form as data: labels, help, what may be chosen, what each is folded into."""

from typing import NamedTuple


class Setting(NamedTuple):
    """A number of the config under "Settings"; `none` names the source of its value when the box is left empty."""

    name: str
    label: str
    info: str
    none: str = ""


SETTINGS = (
    Setting("steps", "Steps", "More steps forget more and risk more.", "the method's own"),
    Setting("learning_rate", "Step size", "Learning rate of the optimiser.", "the method's own"),
    Setting("retain_weight", "Weight of keeping", "How much keeping counts.", "the method's own"),
    Setting("n_forget", "Pictures to forget", "Drawn by the model itself, to learn from."),
    Setting("n_retain", "Pictures to keep", "Drawn by the model itself, to learn from."),
    Setting("n_eval", "Test prompts a group", "More make the verdict surer and take longer."),
    Setting("sampling_steps", "Drawing steps", "Denoising steps for every picture.", "the model's own"),
    Setting("size", "Size", "Pixels of width and height; smaller ones fit a small card.", "the model's own"),
    Setting("guidance", "Guidance", "How strictly a picture follows its words.", "the model's own"),
    Setting("preview_every", "Preview every", "Steps between previews; 0 never draws one."),
    Setting("measure_every", "Measure every", "Steps between measurements of the losses; 0 never does."),
    Setting("batch_forget", "Batch to forget", "Pictures to forget in a step.", "the method's own"),
    Setting("batch_retain", "Batch to keep", "Pictures to keep in a step.", "the method's own"),
    Setting("micro_batch", "Pictures at a time", "Parts of a batch. Fewer take less memory.", "as many as fit"),
    Setting("seed", "Seeds", "All that is random follows from it. 0, 1, 2 or 0-2 makes a run of each."),
)
FIRST = tuple(setting for setting in SETTINGS if setting.name in ("steps", "learning_rate", "seed"))
"""The settings that are not for experts."""
TRAIN = (
    ("the method's own", ""),
    ("cross-attention keys and values", "cross_attention_kv"),
    ("cross-attention", "cross_attention"),
    ("all but the cross-attention", "not_cross_attention"),
    ("the whole denoiser", "all"),
)
WAYS = (("Remove and redirect", "both"), ("Remove", "remove"), ("Redirect", "redirect"), ("Another method", ""))
"""What to do with a concept: the three ways that are offered first, and all other methods."""
FORGETTING = (
    ("the method's own", ""),
    ("raise the error", "ascent"),
    ("raise the error where it is small", "weighted_ascent"),
    ("draw the replacement", "anchor"),
    ("draw the replacement, far pictures count less", "hellinger"),
    ("draw the replacement, far pictures count more", "chi_squared"),
    ("until nearer to the replacement", "hinge"),
    ("draw something that is kept", "random_label"),
    ("learn kept pictures under the name", "relabel"),
    ("lead away from the concept", "negative_guidance"),
    ("look away from the word", "attention"),
)
COMBINING = (
    ("the method's own", ""),
    ("restricted gradient", "restricted"),
    ("plain sum", "plain_sum"),
    ("only forgetting gives way", "unilateral"),
    ("bisector", "bisector"),
    ("shortest common descent", "mgda"),
    ("weighted sum on the dual cone", "dual_cone"),
    ("forget at least a quota", "hamu"),
    ("keep, subject to forgetting", "bilevel"),
    ("keep only", "retain_only"),
)
CHOSEN = {"forget": FORGETTING, "combine": COMBINING, "train": TRAIN}
"""What an expert chooses among: what is shown, and the value; an empty one is left to the method."""
OF_MODEL = ("sampling_steps", "size", "guidance")
"""Settings whose value is the model's own when they are left empty."""
SIZES = ("batch_forget", "batch_retain", "micro_batch")
"""Settings that a run may be resumed with other values of."""
FIELDS = {"erase": "Erase", "replace": "Replace with", "keep": "Keep", "model": "Model", "method": "Method"}
FIELDS |= {"forget": "How to forget", "combine": "How the gradients combine", "train": "Which weights change"}
FIELDS |= {setting.name: setting.label for setting in SETTINGS}
"""The fields of the form and their labels."""
FOLDS = {
    **dict.fromkeys(("model", "method"), "model-and-method"),
    **dict.fromkeys((setting.name for setting in SETTINGS), "settings expert-settings"),
    **dict.fromkeys(("forget", "combine", "train"), "settings expert-settings"),
    **dict.fromkeys((setting.name for setting in FIRST), "settings"),
}
"""The ids of what a field is folded into, the outer one first."""
REPLACING = ("anchor", "hellinger", "chi_squared", "hinge")
"""The forget losses that aim at the replacement."""
CHOICES = ("model", "method", "forget", "combine", "train")
"""The fields of the config that are chosen from a list; an empty one is left to the method."""
