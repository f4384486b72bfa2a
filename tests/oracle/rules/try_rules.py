"""Say what check makes of the lines of rules: `python tests/oracle/rules/try_rules.py [CODE ...]`.

`--file PATH` tries all rules of one file, `--verbose` prints whole reports.
"""

import argparse
import importlib
import pathlib
import traceback
import warnings

import npcbam
from npcbam.oracle.rules import lines
from npcbam.oracle.rules.rule import Rule

FOLDER = pathlib.Path(lines.__file__).parent


def rules_of(path):
    try:
        module = importlib.import_module(f"npcbam.oracle.rules.{pathlib.Path(path).stem}")
    except Exception as error:
        print(f"! {path}: {type(error).__name__}: {error}")
        return []
    return [each for each in getattr(module, "RULES", ()) if isinstance(each, Rule)]


def said(rule, which, verbose):
    """Return what is found, and whether that is what belongs."""
    text = getattr(rule, which)
    if not text:
        return "MISSING", False
    if not lines.is_run(text):
        return "not run", True
    f, parameters = lines.candidate(rule, which)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        report = npcbam.check(f, parameters=parameters, channels=lines.CHANNELS)
    if verbose:
        print(report)
    notes = [f.code for f in report.findings if f.status == "note" and f.code != rule.code]
    found = [f.code for f in report.findings if f.code not in notes]
    # What the paper leaves open is no finding.
    told = which == "bad" and rule.status != "faithful"
    right = found == ([rule.code] if told else [])
    heading = f"{report.verdict}: {', '.join(found) or 'nothing'}"
    return heading + (f"   (notes: {', '.join(notes)})" if notes else ""), right


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", nargs="*", metavar="CODE")
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    files = args.file or sorted(FOLDER.glob("*.py"))
    # A stage's file has those of several others again.
    rules = {rule.code: rule for file in files for rule in rules_of(file)}.values()
    unknown = set(args.codes) - {rule.code for rule in rules}
    if unknown:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    bad, tried = 0, [rule for rule in rules if not args.codes or rule.code in args.codes]
    for rule in tried:
        for which in ("bad", "fix"):
            try:
                text, right = said(rule, which, args.verbose)
            except Exception as error:
                text, right = f"{type(error).__name__}: {error}", False
                if args.verbose:
                    traceback.print_exc()
            bad += not right
            print(f"{'  ' if right else '! '}{rule.code:34} {which}  {text}", flush=True)
    print(f"{len(tried)} rule{'s' * (len(tried) != 1)}, {bad} not as they should be")


if __name__ == "__main__":
    main()
