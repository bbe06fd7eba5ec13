-- Formulas that several views share. Each gives the digits that PostgreSQL's own aggregate over the same values gives.
-- Invariant: they mean the same whoever calls them. A search_path of their own would keep them from being inlined; instead
-- their bodies are written with RETURN, whose names and operators are bound once, when the function is made.

-- 100 x part / whole, rounded to 6 places; null when there is nothing to divide by.
create or replace function prop_trading_model.rate(part numeric, whole numeric) returns numeric
language sql immutable parallel safe
return round(100 * part / nullif(whole, 0), 6);

-- Sample standard deviation from count, sum and sum of squares: what stddev_samp(numeric) computes, digit for digit
-- (it divides n x squares - sum x sum by n x (n - 1), and takes the root with the scale of that quotient).
-- Null for fewer than two values. One expression, although the quotient is computed twice: with a subquery it could not be
-- inlined, and a call costs five times as much.
create or replace function prop_trading_model.sample_stddev(n bigint, total numeric, squares numeric) returns numeric
language sql immutable parallel safe
return case
    when n > 1 then round(
        sqrt((n * squares - total * total) / (n::numeric * (n - 1))),
        scale((n * squares - total * total) / (n::numeric * (n - 1)))
    )
end;

-- The quantile of values that are sorted, by linear interpolation as percentile_cont does, but in numeric.
create or replace function prop_trading_model.quantile(sorted numeric[], fraction numeric) returns numeric
language sql immutable parallel safe
return (
    select sorted[below + 1] + (sorted[least(below + 2, n)] - sorted[below + 1]) * (place - below)
    from (select cardinality(sorted), fraction * (cardinality(sorted) - 1)) as at (n, place)
    cross join lateral (select floor(place)::integer) as floored (below)
);
