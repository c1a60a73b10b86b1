"""The pictures that the bundled models learn: the same objects, drawn in eight styles, on eight plain backgrounds.

Object, style and background are independent, so each can be erased while the other two are kept. Five of the styles
are five different sets of drawings; three (golden, porcelain, watercolor) are made here from three sets by a rule, so
that no two styles are near twins at 64 px. This file knows nothing of captions, models or training.
"""

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SIZE = 64  # pixels
FIGURE = 52  # pixels that a figure takes when its scale is 1
OVERSAMPLE = 4  # figures are rendered this much larger, then reduced

# The name that a person would type -> the icon's name in every set.
CATEGORIES: dict[str, dict[str, str]] = {
    "animal": {
        "cat": "cat-face", "dog": "dog-face", "rabbit": "rabbit-face", "pig": "pig-face", "cow": "cow-face",
        "frog": "frog", "panda": "panda", "lion": "lion", "fox": "fox", "koala": "koala", "elephant": "elephant",
        "camel": "camel", "penguin": "penguin", "owl": "owl", "duck": "duck", "horse": "horse",
    },
    "sea and small animal": {
        "turtle": "turtle", "fish": "tropical-fish", "whale": "spouting-whale", "crab": "crab", "octopus": "octopus",
        "snail": "snail", "butterfly": "butterfly", "bee": "honeybee", "spider": "spider", "snake": "snake",
    },
    "food": {
        "pizza": "pizza", "hamburger": "hamburger", "apple": "red-apple", "banana": "banana",
        "strawberry": "strawberry", "grapes": "grapes", "watermelon": "watermelon", "lemon": "lemon",
        "pineapple": "pineapple", "carrot": "carrot", "bread": "bread", "doughnut": "doughnut", "cake": "birthday-cake",
        "taco": "taco", "popcorn": "popcorn", "cookie": "cookie", "lollipop": "lollipop", "avocado": "avocado",
    },
    "vehicle": {
        "car": "automobile", "bus": "bus", "bicycle": "bicycle", "airplane": "airplane", "rocket": "rocket",
        "sailboat": "sailboat", "train": "locomotive", "tractor": "tractor", "helicopter": "helicopter",
        "motorcycle": "motorcycle",
    },
    "plant": {
        "tree": "deciduous-tree", "palm": "palm-tree", "cactus": "cactus", "tulip": "tulip", "sunflower": "sunflower",
        "rose": "rose", "mushroom": "mushroom", "clover": "shamrock",
    },
    "building": {
        "house": "house", "castle": "castle", "church": "church", "factory": "factory", "tent": "tent",
        "fountain": "fountain", "stadium": "stadium", "mosque": "mosque",
    },
    "instrument": {
        "guitar": "guitar", "violin": "violin", "trumpet": "trumpet", "drum": "drum", "saxophone": "saxophone",
        "piano": "musical-keyboard",
    },
    "clothing": {
        "dress": "dress", "shirt": "t-shirt", "jeans": "jeans", "crown": "crown", "hat": "top-hat",
        "glasses": "glasses", "shoe": "running-shoe", "backpack": "backpack",
    },
    "thing": {
        "umbrella": "umbrella", "candle": "candle", "key": "key", "hammer": "hammer", "scissors": "scissors",
        "camera": "camera", "clock": "alarm-clock", "television": "television", "balloon": "balloon",
        "gift": "wrapped-gift", "bomb": "bomb", "anchor": "anchor", "trophy": "trophy", "basketball": "basketball",
    },
    "sky": {
        "sun": "sun", "moon": "crescent-moon", "star": "star", "cloud": "cloud", "rainbow": "rainbow",
        "snowman": "snowman", "fire": "fire", "volcano": "volcano",
    },
}  # fmt: skip
ICONS = {name: icon for members in CATEGORIES.values() for name, icon in members.items()}
OBJECTS = list(ICONS)
CATEGORY_OF = {name: category for category, members in CATEGORIES.items() for name in members}

STYLES = {  # the style's name -> the set it is drawn from
    "glossy": "fluent-emoji",
    "flat": "twemoji",
    "ink": "fluent-emoji-high-contrast",
    "pixel": "noto",
    "sticker": "emojione",
    "golden": "noto-v1",
    "porcelain": "twemoji",
    "watercolor": "fluent-emoji-flat",
}

BACKGROUNDS = {
    "white": (255, 255, 255),
    "gray": (150, 154, 162),
    "yellow": (255, 226, 96),
    "pink": (255, 158, 203),
    "blue": (112, 178, 255),
    "green": (132, 218, 150),
    "orange": (255, 166, 82),
    "purple": (172, 142, 250),
}

GOLD = [(66, 36, 0), (150, 92, 8), (224, 164, 24), (255, 214, 84), (255, 246, 190)]  # shadow to light
PORCELAIN = [(14, 34, 120), (38, 78, 190), (140, 176, 236), (232, 240, 252), (252, 253, 255)]


@cache
def icon_set(modules: Path, name: str) -> dict:
    return json.loads((modules / "@iconify-json" / name / "icons.json").read_text())


def rendered(modules: Path, set_name: str, icon: str, pixels: int) -> Image.Image:
    """One icon of one set as RGBA, `pixels` square. Raises KeyError when the set has no such icon."""
    import resvg_py

    icons = icon_set(modules, set_name)
    icon = icons.get("aliases", {}).get(icon, {}).get("parent", icon)
    width = icons["icons"][icon].get("width", icons.get("width", 16))
    height = icons["icons"][icon].get("height", icons.get("height", 16))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#141414" '
        f'viewBox="0 0 {width} {height}" width="{pixels}" height="{pixels}">{icons["icons"][icon]["body"]}</svg>'
    )
    image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    return image.resize((pixels, pixels), Image.Resampling.LANCZOS) if image.size != (pixels, pixels) else image


def toned(image: Image.Image, ramp: list[tuple[int, int, int]]) -> Image.Image:
    """The drawing in one family of colours: lightness, stretched to the figure's own range, looked up in `ramp`."""
    pixels = np.asarray(image, dtype=np.float32)
    alpha = pixels[..., 3]
    light = pixels[..., :3] @ np.array([0.3, 0.59, 0.11], dtype=np.float32)
    inside = light[alpha > 128]
    low, high = np.percentile(inside, [2, 98]) if inside.size else (0.0, 255.0)
    # A figure of one flat colour has no range of its own: keep at least a third of the scale.
    middle, half = (low + high) / 2, max((high - low) / 2, 42.0)
    position = np.clip((light - middle + half) / (2 * half), 0, 1) * (len(ramp) - 1)
    colours = np.stack([np.interp(position, range(len(ramp)), [c[k] for c in ramp]) for k in range(3)], axis=-1)
    return Image.fromarray(np.dstack([colours, alpha]).round().astype(np.uint8), "RGBA")


def outlined(image: Image.Image, width: int) -> Image.Image:
    """The drawing as a sticker: a white border of `width` pixels with a thin grey edge around the figure."""
    alpha = image.getchannel("A").point(lambda value: 255 if value > 60 else 0)
    border = alpha.filter(ImageFilter.MaxFilter(2 * width + 1)).filter(ImageFilter.GaussianBlur(width / 4))
    edge = border.filter(ImageFilter.MaxFilter(2 * (width // 3) + 1))
    sticker = Image.merge("RGBA", [edge.point(lambda _: 110)] * 3 + [edge])
    white = Image.merge("RGBA", [border.point(lambda _: 255)] * 3 + [border])
    return Image.alpha_composite(Image.alpha_composite(sticker, white), image)


def washed(image: Image.Image, blur: float) -> Image.Image:
    """The drawing as a watercolour: pale, translucent, soft inside, with pigment gathered at the edge."""
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)
    sharp = np.asarray(image.getchannel("A"), dtype=np.float32) / 255
    soft = np.asarray(image.getchannel("A").filter(ImageFilter.GaussianBlur(3 * blur)), dtype=np.float32) / 255
    edge = np.clip(sharp - soft, 0, 1)[..., None]  # highest just inside the outline
    colour = 255 - (255 - pixels[..., :3]) * (0.55 + 1.1 * edge)
    alpha = np.clip(pixels[..., 3] / 255, 0, 1) * (0.78 + 0.22 * edge[..., 0])
    return Image.fromarray(np.dstack([np.clip(colour, 0, 255), alpha * 255]).round().astype(np.uint8), "RGBA")


def figure(modules: Path, name: str, style: str) -> Image.Image:
    """The object in the style, RGBA on nothing, `FIGURE * OVERSAMPLE` pixels square."""
    pixels = FIGURE * OVERSAMPLE
    if style == "sticker":
        drawing = Image.new("RGBA", (pixels, pixels))
        margin = 3 * OVERSAMPLE
        inner = rendered(modules, STYLES[style], ICONS[name], pixels - 2 * margin)
        drawing.paste(inner, (margin, margin))
        return outlined(drawing, 2 * OVERSAMPLE + 2)
    drawing = rendered(modules, STYLES[style], ICONS[name], pixels)
    if style == "golden":
        return toned(drawing, GOLD)
    if style == "porcelain":
        return toned(drawing, PORCELAIN)
    if style == "watercolor":
        return washed(drawing, OVERSAMPLE * 0.7)
    return drawing


def layer(drawing: Image.Image, style: str, scale: float = 1.0, dx: int = 0, dy: int = 0) -> np.ndarray:
    """The figure placed on a transparent picture.

    scale: of the figure, 1.0 being `FIGURE` pixels. dx, dy: shift of its middle in pixels. Returns uint8, (64, 64, 4).
    """
    if style == "pixel":
        return pixelated(drawing, scale, dx, dy)
    pixels = round(FIGURE * scale)
    canvas = Image.new("RGBA", (SIZE, SIZE))
    corner = (SIZE - pixels) // 2
    canvas.paste(drawing.resize((pixels, pixels), Image.Resampling.LANCZOS), (corner + dx, corner + dy))
    return np.asarray(canvas)


def pixelated(drawing: Image.Image, scale: float, dx: int, dy: int, block: int = 4) -> np.ndarray:
    """The figure on a grid of `block`-pixel squares, colours held to 8 levels a channel, edges hard."""
    cells = SIZE // block
    side = round(FIGURE * scale / block) + 1
    small = np.asarray(drawing.resize((side, side), Image.Resampling.BOX))
    grid = np.zeros((cells, cells, 4), dtype=np.uint8)
    row, column = (cells - side) // 2 + round(dy / block), (cells - side) // 2 + round(dx / block)
    solid = small[..., 3] > 110
    coloured = np.dstack([(small[..., :3] // 32) * 32 + 16, np.full((side, side), 255)]).astype(np.uint8)
    grid[row : row + side, column : column + side][solid] = coloured[solid]
    return np.repeat(np.repeat(grid, block, axis=0), block, axis=1)


def placements(count: int, seed: int) -> list[tuple[float, int, int]]:
    """`count` ways to place a figure (scale, dx, dy); the first is the plain one, in the middle at full size."""
    rng = np.random.default_rng(seed)
    drawn = [(float(rng.uniform(0.86, 1.04)), int(rng.integers(-3, 4)), int(rng.integers(-3, 4))) for _ in range(count)]
    return [(1.0, 0, 0), *drawn][:count]


def composited(layers: np.ndarray, background: str) -> np.ndarray:
    """RGBA layers (…, 64, 64, 4) on a plain background: uint8 (…, 64, 64, 3)."""
    alpha = layers[..., 3:].astype(np.float32) / 255
    colour = np.array(BACKGROUNDS[background], dtype=np.float32)
    return (layers[..., :3] * alpha + colour * (1 - alpha)).round().astype(np.uint8)


def all_layers(modules: Path, cache: Path, count: int, seed: int) -> np.ndarray:
    """Every object in every style in `count` placements, made once and kept in `cache`.

    Returns uint8, (objects, styles, count, 64, 64, 4), RGB not premultiplied.
    """
    file = cache / f"layers-{count}-{seed}.npy"
    if file.exists():
        return np.load(file, mmap_mode="r")
    layers = np.zeros((len(OBJECTS), len(STYLES), count, SIZE, SIZE, 4), dtype=np.uint8)
    for i, name in enumerate(OBJECTS):
        for j, style in enumerate(STYLES):
            drawing = figure(modules, name, style)
            for k, (scale, dx, dy) in enumerate(placements(count, seed)):
                layers[i, j, k] = layer(drawing, style, scale, dx, dy)
    cache.mkdir(parents=True, exist_ok=True)
    partial = file.with_name("partial-" + file.name)
    np.save(partial, layers)
    partial.rename(file)
    return np.load(file, mmap_mode="r")
