"""How results look in notebooks and as pictures."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from absint._absint import Network, Result

_COLOURS = {"verified": "#1a7f37", "falsified": "#cf222e", "unknown": "#9a6700"}


def progress_bar(total: int, done: int, unit: str, progress: bool | None) -> Any:
    """A bar of tqdm, unless that is unwanted or tqdm is not there."""
    if progress is False:
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        if progress:
            raise
        return None
    return tqdm(total=total, initial=done, unit=unit)


def text_html(text: str) -> str:
    """A text with its columns."""
    return f'<pre style="line-height:1.3;margin:0">{html.escape(text)}</pre>'


def frame_html(page: str) -> str:
    """A page within another."""
    frame = 'style="width:100%;height:640px;border:1px solid #ccc"'
    return f'<iframe srcdoc="{html.escape(page, quote=True)}" {frame}></iframe>'


def _table(head: list[str], rows: list[list[str]]) -> str:
    cell = 'style="text-align:left;padding:1px 10px;white-space:nowrap"'
    line = "".join(f"<th {cell}>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td {cell}>{value}</td>" for value in row) + "</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;font-size:90%"><tr>{line}</tr>{body}</table>'


def _margin_bar(bound: float | None, scale: float) -> str:
    if bound is None:
        return "no bound"
    colour = _COLOURS["verified" if bound > 0 else "unknown"]
    width = 120 * min(abs(bound) / scale, 1) if scale > 0 else 0
    bar = f'<span style="display:inline-block;height:9px;width:{width:.0f}px;background:{colour};margin-right:6px"></span>'
    return f"{bar}{bound:.6g}"


def result_html(result: Result) -> str:
    """The verdict, margins and stages of a result."""
    answer = json.loads(result.json())
    colour = _COLOURS[result.verdict]
    how = f" by {result.decided_by}" if result.decided_by else (": out of time" if result.out_of_time else "")
    title = f'<b style="color:{colour};font-size:115%">{result.verdict}</b>{html.escape(how)}'
    why = "".join(f"<div>because {html.escape(reason)}</div>" for reason in result.because)
    about = f"{html.escape(answer['network'])} · {html.escape(answer['query'])}"
    known = [m["bound"] for m in answer["margins"] if m["bound"] is not None]
    scale = max((abs(bound) for bound in known), default=0.0)
    worst = sorted(answer["margins"], key=lambda m: -1e308 if m["bound"] is None else m["bound"])[:12]
    margins = [[_of_disjunct(result, m["disjunct"]), _margin_bar(m["bound"], scale)] for m in worst]
    stages = [
        [html.escape(s["name"]), f"{1000 * s['time_s']:.1f} ms", str(sum(s["unstable"])), str(s["lps"])]
        for s in answer["stages"]
    ]
    return (
        f'<div style="font-family:sans-serif"><div>{title}</div>{why}<div style="opacity:.7">{about}</div>'
        f"{_table(['against', 'certified margin'], margins)}{_table(['stage', 'time', 'unstable', 'programs'], stages)}"
        f"{_witness_html(result)}</div>"
    )


def _of_disjunct(result: Result, disjunct: int) -> str:
    """The class that a disjunct of robustness is about, or its number."""
    if result.label is None:
        return f"disjunct {disjunct}"
    return f"class {disjunct + (disjunct >= result.label)}"


def _witness_html(result: Result) -> str:
    witness = result.witness
    if witness is None:
        return ""
    picture = _png(witness)
    words = f"counterexample, replayed exactly: {_of_disjunct(result, result.witness_disjunct or 0)}"
    return f"<div>{words}</div>{picture}"


def _image(array: Any) -> Any:
    """An array as a picture of rows and columns (and colours), or nothing."""
    import numpy as np

    array = np.squeeze(np.asarray(array, np.float64))
    if array.ndim == 1:
        side = round(array.size**0.5)
        array = array.reshape(side, side) if side * side == array.size and side > 2 else array
    if array.ndim == 3 and array.shape[0] == 3:
        array = np.moveaxis(array, 0, 2)
    return array if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3) else None


def _png(array: Any) -> str:
    """A small picture, written without any library of pictures."""
    import base64
    import struct
    import zlib

    import numpy as np

    image = _image(array)
    if image is None:
        return ""
    low, high = min(0.0, float(image.min())), max(1.0, float(image.max()))
    grey = np.round(255 * (image - low) / (high - low)).astype(np.uint8)
    height, width = grey.shape[:2]
    colour = 2 if grey.ndim == 3 else 0
    raw = b"".join(b"\0" + row.tobytes() for row in grey)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    source = base64.b64encode(png).decode()
    return f'<img style="image-rendering:pixelated;width:112px" src="data:image/png;base64,{source}" alt="witness">'


def network_html(network: Network) -> str:
    """A network's layers."""
    return f"<b>{html.escape(network.name)}</b>{text_html(network.info())}"


def plot(result: Result, ax: Any = None) -> Any:
    """The certified margins as bars, and beside them the counterexample where there is one; returns the axes."""
    import matplotlib.pyplot as plt

    witness = result.witness
    image = None if witness is None else _image(witness)
    if ax is None:
        _, axes = plt.subplots(1, 1 if image is None else 2, figsize=(6 if image is None else 9, 3.2), squeeze=False)
        ax = axes[0][0]
        if image is not None:
            axes[0][1].imshow(image, cmap="gray")
            axes[0][1].set_title(f"counterexample: {_of_disjunct(result, result.witness_disjunct or 0)}")
            axes[0][1].axis("off")
    names = [_of_disjunct(result, disjunct) for disjunct in range(len(result.disjuncts))]
    bounds = [bound if abs(bound) != float("inf") else float("nan") for bound in result.disjuncts]
    ax.barh(names, bounds, color=[_COLOURS["verified" if bound > 0 else "unknown"] for bound in bounds])
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlabel("certified lower bound of the margin")
    ax.set_title(f"{result.verdict}" + (f" by {result.decided_by}" if result.decided_by else ""))
    ax.invert_yaxis()
    return ax
