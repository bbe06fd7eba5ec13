"""The targets by name: what was claimed before, and what bounds one that is missed, with what was tried.

The report says the bounds beside the profiles that show them.

Figures without a source of their own are of development runs on the same kind of machine (2 cores, PostgreSQL 18).
"""

VIEWS = "aggregates through views, against the original"
ROLLUPS = "aggregates of a month or less through rollups, against the original"
RAW = "dated queries on raw trades, against the original, indexed by date and in the order of dates"
RAW_WITHOUT_INDEX = "dated queries on raw trades, against the original without its index of dates"
DAILY = "daily aggregations"
METRICS = "daily metrics of one account"
THIRTY_DAYS = "trades of 30 days aggregated by day"
OVERVIEW = "overview of 100 accounts"
SYMBOLS = "symbol performance"
FEATURES = "features of one account-day"
POINTS = "point queries a second, prepared, 200 connections"
HISTORY = "loading history, months that are not there, trades/s"
EXISTING = "loading into months that are there, trades/s"
HOT = "storage with rollups and views, against the original, all months hot"
COLD = "the same, months older than six cold, files counted"
REFRESH = "all views fresh after a day's load"

CLAIMED = {
    VIEWS: "80 % faster (5 x)",
    ROLLUPS: "10 x",
    RAW: "10 x",
    RAW_WITHOUT_INDEX: "10 x",
    DAILY: "99 % faster",
    METRICS: "2 ms",
    THIRTY_DAYS: "100 ms",
    OVERVIEW: "20 ms",
    SYMBOLS: "5 ms",
    FEATURES: "10 ms",
    POINTS: "10,000",
    HISTORY: "50,000",
    EXISTING: "50,000",
    HOT: "115 to 120 %",
    COLD: "60 to 80 %",
    REFRESH: "30 s",
}

BOUNDS = {
    VIEWS: (
        "Reading one row of a view takes 0.3 to 1 ms at the client, mostly the way there and back, at any size. With few trades"
        " a day the original is nearly as fast; by the times of 7 million trades, 100 x is reached from about 60,000 trades a"
        " day on."
    ),
    DAILY: (
        "The view has a row a day, and sending them all takes 1.5 to 4 ms, whatever the trades: the share that is saved grows"
        " with the trades."
    ),
    RAW: (
        "Side by side what remains is planning: with months of 2.5 million trades and 45 partitions, taking turns, the"
        " features of an account's day take 0.12 to 0.15 ms to plan and 0.08 to 0.10 to run, in the original 0.11 to 0.12 and"
        " 0.10 to 0.12; a month by symbol 1.29 s for 1.37. With 81 million the systems come one after the other, here hours"
        " apart, and the machine is not always as fast: counting a month took, by the same plan, 0.64 and 1.22 s here in two"
        " such runs of one day. Tried: no look at the checks of partitions (kept: half of the planning, 0.12 to 0.15 ms for"
        " 0.25 to 0.36), plans that are made once (`plan_cache_mode = force_generic_plan`: an account's week 0.16 ms for 0.25,"
        " but 14 to 25 ms the first time; the session's to choose), the partition named (0.12 ms, as in the original, but the"
        " program has to know it), fewer partitions (8 for 45: 0.25 ms for 0.49 at the client, before the checks were left"
        " out), no parallel plans (within the spread). A year is a single first run in both; how much of it came from the disk"
        " was not measured. `bench/dated_raw.py` measures them."
    ),
    RAW_WITHOUT_INDEX: (
        "Without its index the original reads every trade to find those of the dates; here only their months are read. What"
        " is left is what both do then: of 30 days by day, sorting the trades by day and account to count the accounts of each"
        " day, on which the original with its index spends as long (see Queries). Tried with 2.5 million trades in the 30"
        " days, medians of three rounds (the original 7.7 s without its index at 10 million trades, 5.3 with it): 4.4 s as it"
        " is; 4.2 with a work_mem of 256 MB, 3.5 with 1 GB; 3.5 with the accounts sorted day by day, 3.4 with 256 MB too; four"
        " workers 3.8, one process 3.9; compiled 4.0; hashed by day and account first, by another text, 3.3. No run of any"
        " took less than 2.9 s: reading takes 1 s of it, adding up more than another. Through the view the same question takes"
        " what the first target says. `bench/dated_raw.py` measures them."
    ),
    POINTS: (
        "Of two cores both are busy, in part with pgbench itself (the table shows with how much). With 8 connections, 7 million"
        " trades were asked half as often again as with 200: from there on, 200 processes share two cores and their caches."
        " Tried: huge pages for the shared memory (14,800 a second for 10,800 to 12,800, once the cache is warm); with"
        " them, no `pg_stat_statements` (17,000 to 18,400, but `query_performance_log` is made from it); without them, no"
        " `pg_stat_statements`, no check of the client's connection, no timing of reads (within the spread of the runs); one"
        " thread of pgbench for two (a third less)."
    ),
    HISTORY: (
        "Processor time: while the run loaded its last 54 million trades both cores were busy to 98 % (a sample of 90 s), 69"
        " % with PostgreSQL and 27 % with the loader, 18.4 microseconds of a core for each trade. The statements of all 81"
        " million, each sharing the cores with another: `COPY` 968 s, index and attachment 235, looking for the same trades at"
        " other dates 138; beside them the loader took 5.5 microseconds a trade to unpack, read, judge and sort. A bare `COPY`"
        " by psql of the same rows without checks takes 5.3 to 5.8. Kept, alternating with the version before them in one run,"
        " three months of 2.5 million, two rounds: 108,500 for 89,400 trades/s and 15.4 microseconds for 18.8, by old copies"
        " looked for through a filter of hashes and no join (3.6 s for 12.7 of such a month), less work at each value (9.1 s"
        " of a core for 11.8), one core for an index and not two (4.4 s of a core for 5.3); and several files at a time (`dpm"
        " load --jobs`: 96,000 to 104,000 instead of 84,000 to 94,000). Tried: three files at a time on two cores (97,000 and"
        " 109,000 for 105,000 and 107,000), other allocators in the loader (within the spread), no log (an unlogged table: 2.6"
        " s for 3.0 of 568,000 trades), no checks (no difference), packed columns (2.5 s for 3.0)."
    ),
    EXISTING: (
        "One file is one transaction on one connection, so one core copies, and keeps the key and the change log row by row: the"
        " statements stand below the rates. Tried: rows sorted by key in pieces of 50,000 (kept: a page of the key is touched"
        " once), pieces of 200,000 (13.8 s for 13.5 of a million), `COPY` into the partition instead of its table (kept), a merge"
        " out of a stage (takes half as long again), older copies looked for through a filter of hashes and no join (kept: 3.4 s"
        " for 8.3 in the run before). Of the 17.9 s in this run 13.7 are the `COPY`, which alone would be 73,000 a second; a bare"
        " `COPY` into the original takes 21.6."
    ),
    HOT: (
        "A trade takes as much as in the original (its batch is 8 bytes more, packed columns 9 less), its one key 50 bytes for"
        " the original's 71 of indexes (65 when they are built after the rows, as above 3 million in a large run). What is left"
        " are the rollups: an account's symbol on a day is a row for 4.7 trades,"
        " of 161 bytes and 52 in indexes, 45 bytes a trade, a sixth of the original. Tried and kept: packed columns (-9), integer"
        " counts (-11), rollup months built whole with a dense key (-3), a day's nets in one value instead of a row and an"
        " index entry each (-14). Tried and not kept: keys filled to 97 % and more (-4 bytes, and 30 more after late trades of"
        " 4 %)."
    ),
    COLD: (
        "Rollups stay when a month's trades go into a file, so that its numbers stay in every view: they are what is"
        " left, beside the six months that are hot: with 81 million trades over 33 months 50 bytes of rollups, 50 of hot"
        " trades and 32 of files (38 for each trade in one; 41 where months are small). Tried: zstd at level 15 (38 for"
        " 41, for nine times the time); rollup months written whole with a dense key, integer counts, nets in one value"
        " (kept, -28 bytes in all). More history makes the hot share smaller: by the same bytes, twice the months would"
        " come to about 40 %."
    ),
    REFRESH: (
        "The profile stands under Refresh: aggregating the day's trades once, writing each row that changes once, and"
        " `REFRESH MATERIALIZED VIEW CONCURRENTLY`, which computes a view on one core, compares it with the old one and writes"
        " the difference: PostgreSQL's own work, most of it for the account summary, of which half the rows change with a day."
        " Tried: partial aggregation by workers (their merging costs what it saves), 2 to 16 pieces, a column that is always"
        " NULL so that the search for duplicates is skipped (kept), windows moved by differences (kept), the newest snapshot"
        " of each account kept (kept). In two runs of 81 million trades on one day the same statements took 4.2 and 5.9 s."
    ),
}
