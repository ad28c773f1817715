-- A round stamps all ledger rows of a page at once, because they came together. No index names what
-- it writes, so with room for a second version of every row they stay in their page; at 70 two
-- thirds did not, and wrote every index anew (tests/bench/README.md). Pages that are full already
-- keep their rows until the table is written anew.
ALTER TABLE resource_allocations SET (fillfactor = 45);
