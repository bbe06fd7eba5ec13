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
        "Of queries that answer below a millisecond half is planning, which partitions need at each execution (0.2 to 0.3 ms)."
        " Generic plans (`plan_cache_mode = force_generic_plan`) take an account's week from 0.55 to 0.36 ms; they are the"
        " session's to choose. With 81 million trades a month by symbol is above too, with the original's plan and as many pages;"
        " v1, whose rows are the original's, takes as long for it. A year is a single first run in both, so what was in memory"
        " decides: how much came from the disk in these runs was not measured (of the pages of the plan's own run, after it, 74 %"
        " were not in the shared buffers, 44 % in the original)."
    ),
    RAW_WITHOUT_INDEX: (
        "Without its index the original reads every trade to find those of the dates; here only their months are read. What is"
        " left is what both do then: of 30 days by day, sorting the trades by day and account to count the accounts of each"
        " day, which the original with its index spends as long on (see Queries). Through the view the same question takes what"
        " the first target says."
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
        "Processor time, of which a month of 568,000 trades takes 8.6 s: `COPY` 3.9 (a bare `COPY` by psql of the same rows"
        " without checks 3.0 to 3.3), reading, judging and sorting 2.8, looking for the same trades at other dates 1.2, key and"
        " attachment 0.75; two cores cannot do more than 130,000 a second of it. Tried: several files at a time (`dpm load"
        " --jobs`: 96,000 to 104,000 instead of 84,000 to 94,000), no log (an unlogged table: 2.6 s for 3.0), no checks (no"
        " difference), packed columns (2.5 s for 3.0)."
    ),
    EXISTING: (
        "One file is one transaction on one connection, so one core copies, and keeps the key and the change log row by row: the"
        " statements stand below the rates. Tried: rows sorted by key in pieces of 50,000 (kept: a page of the key is touched"
        " once), `COPY` into the partition instead of its table (kept), a merge out of a stage (takes half as long again)."
        " With 81 million trades a bare `COPY` into the original takes as long as all of this (21.6 and 21.8 s), and here 8 s are"
        " the search for older copies of the trades in the months near."
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
        " of each account kept (kept)."
    ),
}
