"""``python -m absint.bnn train --config FILE``: trains a network, writes its checkpoint, its ONNX file and its figures."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

import absint
from absint.bnn import Config, evaluate, export, load, train


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m absint.bnn", description="Trains binarized networks.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train a network")
    training.add_argument("--config", required=True, help="a JSON file of settings")
    training.add_argument("--out", default="bnn.onnx", help="the ONNX file to write (default: bnn.onnx)")
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint beside the ONNX file")
    training.add_argument("--quiet", action="store_true", help="no progress bar")
    training.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value of a setting, as JSON or a word: " + ", ".join(field.name for field in fields(Config)),
    )
    exporting = commands.add_parser("export", help="write a checkpoint's network as ONNX")
    exporting.add_argument("checkpoint")
    exporting.add_argument("out")
    evaluating = commands.add_parser("evaluate", help="natural, attacked and verified accuracy of a checkpoint's network")
    evaluating.add_argument("checkpoint")
    evaluating.add_argument("--data", required=True, help="a file of images, CSV or MNIST idx")
    evaluating.add_argument("--eps", required=True, help="the radius, a decimal or a fraction")
    evaluating.add_argument("--count", type=int, help="verify only the first so many images")
    evaluating.add_argument("--timeout", type=float, default=120, help="seconds for each image (default: 120)")
    evaluating.add_argument("--threads", type=int, help="threads of the verifier")
    evaluating.add_argument("--out", help="keep the verdicts in this file")
    evaluating.add_argument("--resume", action="store_true", help="continue that file")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "export":
            export(load(asked.checkpoint), asked.out)
        elif asked.command == "evaluate":
            images, labels = absint.read_images(asked.data)
            settings = {name: getattr(asked, name) for name in ("count", "timeout", "threads", "out", "resume")}
            print(json.dumps(evaluate(load(asked.checkpoint), images, labels, asked.eps, **settings)))
        else:
            run(asked)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(asked: argparse.Namespace) -> None:
    """Trains as the arguments ask."""
    config = Config.read(asked.config, dict(setting(text) for text in asked.set))
    out = Path(asked.out)
    net, history = train(
        config,
        checkpoint=out.with_suffix(".checkpoint"),
        resume=asked.resume,
        progress=False if asked.quiet else None,
    )
    export(net, out)
    figures = {"config": json.loads(config.json()), "epochs": history}
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(history[-1] if history else {}))


def setting(text: str) -> tuple[str, object]:
    """A name and its value."""
    name, is_given, value = text.partition("=")
    if not is_given:
        raise ValueError(f"`{text}` sets nothing; write NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    sys.exit(main())
