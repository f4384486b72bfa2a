"""`python -m npcbam` is `npcbam`."""

from npcbam.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
