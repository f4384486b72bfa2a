"""The museum and the planted faults through six checkers: npcbam tells all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TRUE = {"wrong": "caught", "right": "passed"}


@pytest.mark.second_tier
def test_npcbam_tells_all_and_each_peer_is_mistaken_somewhere():
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [sys.executable, script, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert len(table) > 200
    mistaken = {
        who: [row["name"] for row in table if row["said"][who] != TRUE[row["truth"]]]
        for who in table[0]["said"]
    }
    assert mistaken.pop("npcbam") == []
    assert all(mistaken.values())
    assert len(mistaken) == 5
