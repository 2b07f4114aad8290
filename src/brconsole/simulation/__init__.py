"""ByteReview as a model: clock, traffic, revisions, queues, spend, faults. Pure, seeded, no wire.

State is a function of the seed, the ordered events (writes, faults) and the time: asking twice for a moment gives the
same answer.
"""
