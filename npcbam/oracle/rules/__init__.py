"""All that the oracle can say, as data: one rule is one entry, with all that is known of it.

Read `rule` (what an entry holds), then any file of entries, such as `channel_merge`; then `channel`
and `spatial`, which compute Mc and Ms by axes of which a rule sets one, and `composition`; `stage`
and `block` put these together. All run on complex numbers, so that the complex step gives their
gradients. `lines` runs what a rule shows,
`catalogue` has all rules by code, and `text`, `page` and `command` show them. `mistaken` makes the
mistakes of a block with given weights.

>>> from npcbam.oracle.rules.catalogue import rule
>>> print(rule("channel-two-sigmoids").bad)
mc = column(sigmoid(mlp(avg(x))) + sigmoid(mlp(top(x))))
"""
