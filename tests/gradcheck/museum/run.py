"""What npcbam says of every exhibit, over several seeds: what is false, undecided and unnamed.

python tests/gradcheck/museum/run.py --seeds 20

Of each exhibit the right twin has to be called right and the wrong one wrong, by its code, with the
arguments whose cotangents are wrong. It counts as named where a finding says what the wrong
gradient is, or where its code does already.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from dataclasses import dataclass, field

from npcbam.gradcheck import examine
from npcbam.gradcheck.museum import EXHIBITS, Exhibit

# Codes of examine that say in themselves what is wrong.
SAYING = {
    "shape", "dtype", "count", "structure", "writes", "impure", "stale", "nan", "nonlinear",
    "layout",
}  # fmt: skip


@dataclass
class Tally:
    """What was said of one exhibit."""

    exhibit: Exhibit
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    coded: int = 0
    leaves: int = 0
    named: int = 0
    recognised: int = 0

    @property
    def seeds(self) -> int:
        return self.right.total()

    @property
    def false(self) -> int:
        """Count the verdicts that are not true."""
        other = "right" if self.exhibit.truth == "wrong" else "wrong"
        return self.right["wrong"] + self.wrong[other]

    @property
    def undecided(self) -> int:
        return self.right["cannot tell"] + self.wrong["cannot tell"]


def report(exhibit: Exhibit, seed: int, wrong: bool):
    f, args = exhibit.vjp(seed, wrong)
    return examine(f, *args, seed=seed)


def blamed(found) -> set[str]:
    """Return the names of the arguments that a report finds at fault."""
    leaves = {leaf for each in found.findings for leaf in each.leaf.split(" and ")}
    return (leaves | {seen.leaf for seen in found.leaves if not seen.worst.ok}) - {""}


def naming(found) -> set[str]:
    """Return the words by which a report names what is wrong."""
    kinds = {each.kind for each in found.findings} - {""}
    return kinds | ({each.code for each in found.findings} & SAYING)


def recognised(exhibit: Exhibit, found) -> bool:
    """Tell whether a report says the word by which a maintainer would know the mistake."""
    text = " ".join(f"{each.sentence} {each.evidence}" for each in found.findings)
    return bool(naming(found)) and exhibit.named in text


def tally(exhibit: Exhibit, seeds: int) -> Tally:
    """Examine both twins with each seed."""
    seen = Tally(exhibit)
    for seed in range(seeds):
        seen.right[report(exhibit, seed, wrong=False).outcome] += 1
        found = report(exhibit, seed, wrong=True)
        seen.wrong[found.outcome] += 1
        seen.codes[found.code] += 1
        names = naming(found)
        seen.kinds.update(names)
        codes = {found.code} | {each.code for each in found.findings}
        seen.coded += exhibit.code in codes
        seen.leaves += set(exhibit.leaves) <= blamed(found)
        seen.named += bool(names)
        seen.recognised += recognised(exhibit, found)
    return seen


def line(seen: Tally, width: int) -> str:
    """Return the row of the table."""
    marks = [
        f"{seen.right['right']}/{seen.seeds}",
        f"{seen.wrong[seen.exhibit.truth]}/{seen.seeds}",
        f"{seen.coded}/{seen.seeds}",
        f"{seen.leaves}/{seen.seeds}",
        f"{seen.named}/{seen.seeds}" if seen.exhibit.truth == "wrong" else "",
    ]
    kinds = ", ".join(kind for kind, _ in seen.kinds.most_common())
    code = ", ".join(code for code, _ in seen.codes.most_common())
    return f"{seen.exhibit.name:{width}}" + "".join(f"{m:>8}" for m in marks) + f"  {code}: {kinds}"


def totals(rows: list[Tally]) -> dict[str, int]:
    """Return what is false, undecided and named over all rows."""
    wrong = [row for row in rows if row.exhibit.truth == "wrong"]
    verdicts = 2 * sum(row.seeds for row in rows)
    return {
        "verdicts": verdicts,
        "right called wrong": sum(row.right["wrong"] for row in rows)
        + sum(row.wrong["wrong"] for row in rows if row.exhibit.truth == "right"),
        "wrong called right": sum(row.wrong["right"] for row in wrong),
        "cannot tell": sum(row.undecided for row in rows),
        "exhibits that are wrong": len(wrong),
        "with their code, always": sum(row.coded == row.seeds for row in wrong),
        "with their arguments, always": sum(row.leaves == row.seeds for row in wrong),
        "named, always": sum(row.named == row.seeds for row in wrong),
        "named, mostly": sum(2 * row.named > row.seeds for row in wrong),
        "named as a maintainer would, mostly": sum(2 * row.recognised > row.seeds for row in wrong),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of exhibits (all)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = [EXHIBITS[name] for name in args.names] or list(EXHIBITS.values())
    rows = [tally(each, args.seeds) for each in chosen]
    found = totals(rows)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        width = max(len(each.name) for each in chosen) + 1
        head = "".join(f"{title:>8}" for title in ("right", "wrong", "code", "leaves", "named"))
        print(f"{'':{width}}{head}  what was said")
        print("\n".join(line(row, width) for row in rows))
        print()
        print("\n".join(f"{title:36}{count:>7}" for title, count in found.items()))
    return 1 if any(row.false for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
