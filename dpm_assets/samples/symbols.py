"""The 59 instruments: what they cost at the start of 2024, how far they move in a day, and what a lot of them is."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dpm_assets.samples.draws import Bools, Floats, Ints

QUOTE_USD = {
    "USD": 1.0,
    "EUR": 1.09,
    "GBP": 1.27,
    "AUD": 0.66,
    "NZD": 0.61,
    "CAD": 0.74,
    "CHF": 1.14,
    "JPY": 0.0068,
    "HKD": 0.128,
}


class Instrument(NamedTuple):
    """One instrument. `move` is the deviation of a day's relative change; `spread` is in points (the last digit of
    the price); swaps are dollars a lot and night; `popularity` is relative."""

    name: str
    suffix: str
    quote: str
    price: float
    digits: int
    contract: int
    move: float
    spread: int
    commission: int
    swap_long: int
    swap_short: int
    popularity: int
    crypto: bool = False


def _forex(name: str, price: float, move: float, spread: int, swap: tuple[int, int], *, popularity: int) -> Instrument:
    """A currency pair: 100,000 a lot, 7 dollars a lot and round trip."""
    digits = 3 if name.endswith("JPY") else 5
    return Instrument(name, ".r", name[3:], price, digits, 100_000, move, spread, 7, *swap, popularity)


def _index(name: str, quote: str, price: float, contract: int, spread: int, *, popularity: int) -> Instrument:
    """A stock index: no commission, financed by swaps on both sides."""
    return Instrument(name, ".cash", quote, price, 2, contract, 0.010, spread, 0, -14, -3, popularity)


def _coin(name: str, price: float, digits: int, contract: int, popularity: int) -> Instrument:
    """A crypto currency in dollars, traded on every day of the week."""
    spread = max(1, round(price * 10**digits / 4000))
    return Instrument(name, "", "USD", price, digits, contract, 0.032, spread, 12, -20, -12, popularity, True)


INSTRUMENTS = (
    _forex("EURUSD", 1.0950, 0.0045, 6, (-7, 2), popularity=130),
    _forex("GBPUSD", 1.2700, 0.0050, 9, (-4, -3), popularity=90),
    _forex("USDJPY", 146.500, 0.0060, 8, (6, -19), popularity=60),
    _forex("AUDUSD", 0.6650, 0.0060, 8, (-3, -1), popularity=22),
    _forex("NZDUSD", 0.6150, 0.0060, 11, (-2, -2), popularity=10),
    _forex("USDCAD", 1.3450, 0.0040, 10, (-1, -6), popularity=24),
    _forex("USDCHF", 0.8600, 0.0048, 10, (4, -13), popularity=16),
    _forex("EURGBP", 0.8620, 0.0035, 10, (-5, 0), popularity=10),
    _forex("EURJPY", 160.200, 0.0060, 12, (4, -16), popularity=18),
    _forex("EURCHF", 0.9350, 0.0038, 13, (1, -9), popularity=5),
    _forex("EURAUD", 1.6450, 0.0052, 15, (-9, 1), popularity=7),
    _forex("EURNZD", 1.7800, 0.0055, 22, (-10, 1), popularity=4),
    _forex("EURCAD", 1.4700, 0.0045, 16, (-8, 0), popularity=5),
    _forex("GBPJPY", 186.000, 0.0068, 16, (8, -24), popularity=52),
    _forex("GBPCHF", 1.0900, 0.0050, 17, (4, -14), popularity=4),
    _forex("GBPAUD", 1.9100, 0.0055, 20, (-6, -3), popularity=8),
    _forex("GBPNZD", 2.0650, 0.0060, 28, (-7, -3), popularity=6),
    _forex("GBPCAD", 1.7080, 0.0048, 19, (-3, -5), popularity=5),
    _forex("AUDJPY", 97.400, 0.0068, 13, (4, -13), popularity=11),
    _forex("AUDNZD", 1.0810, 0.0038, 17, (-4, -2), popularity=5),
    _forex("AUDCAD", 0.8940, 0.0045, 15, (-2, -4), popularity=6),
    _forex("AUDCHF", 0.5720, 0.0055, 15, (2, -8), popularity=3),
    _forex("NZDJPY", 90.100, 0.0070, 17, (3, -11), popularity=4),
    _forex("NZDCAD", 0.8270, 0.0048, 18, (-1, -4), popularity=3),
    _forex("NZDCHF", 0.5290, 0.0055, 18, (2, -8), popularity=2),
    _forex("CADJPY", 108.900, 0.0062, 15, (4, -13), popularity=6),
    _forex("CADCHF", 0.6400, 0.0050, 16, (2, -9), popularity=2),
    _forex("CHFJPY", 170.300, 0.0060, 19, (-3, -8), popularity=4),
    _index("US30", "USD", 37_700.0, 5, 180, popularity=80),
    _index("NAS100", "USD", 16_800.0, 10, 120, popularity=95),
    _index("US500", "USD", 4_770.0, 25, 45, popularity=22),
    _index("US2000", "USD", 2_020.0, 50, 35, popularity=4),
    _index("GER40", "EUR", 16_750.0, 5, 110, popularity=40),
    _index("UK100", "GBP", 7_730.0, 10, 110, popularity=8),
    _index("FRA40", "EUR", 7_540.0, 10, 120, popularity=4),
    _index("EU50", "EUR", 4_520.0, 20, 150, popularity=3),
    _index("ESP35", "EUR", 10_100.0, 10, 450, popularity=1),
    _index("JPN225", "JPY", 33_400.0, 500, 900, popularity=6),
    _index("AUS200", "AUD", 7_590.0, 20, 160, popularity=2),
    _index("HK50", "HKD", 17_000.0, 50, 900, popularity=3),
    Instrument("XAUUSD", ".r", "USD", 2_060.0, 2, 100, 0.0085, 18, 7, -32, 15, 170),
    Instrument("XAGUSD", ".r", "USD", 23.80, 3, 5_000, 0.0150, 22, 7, -24, 8, 14),
    Instrument("XPTUSD", "", "USD", 990.0, 2, 100, 0.0130, 300, 7, -18, -6, 1),
    Instrument("XPDUSD", "", "USD", 1_100.0, 2, 100, 0.0190, 500, 7, -20, -7, 1),
    Instrument("XAUEUR", ".r", "EUR", 1_885.0, 2, 100, 0.0080, 40, 7, -22, 4, 3),
    Instrument("USOIL", ".cash", "USD", 71.80, 2, 1_000, 0.0180, 4, 0, -6, -11, 14),
    Instrument("UKOIL", ".cash", "USD", 77.20, 2, 1_000, 0.0170, 4, 0, -5, -10, 5),
    Instrument("NATGAS", ".cash", "USD", 2.550, 3, 10_000, 0.0350, 8, 0, -9, -14, 3),
    _coin("BTCUSD", 43_500.0, 2, 1, 46),
    _coin("ETHUSD", 2_330.0, 2, 20, 18),
    _coin("SOLUSD", 102.0, 2, 500, 6),
    _coin("XRPUSD", 0.6200, 5, 50_000, 5),
    _coin("LTCUSD", 72.0, 2, 500, 2),
    _coin("ADAUSD", 0.6000, 5, 50_000, 2),
    _coin("BNBUSD", 312.0, 2, 100, 2),
    _coin("DOGEUSD", 0.09150, 5, 500_000, 3),
    _coin("DOTUSD", 8.200, 3, 5_000, 1),
    _coin("AVAXUSD", 38.50, 3, 1_000, 1),
    _coin("LINKUSD", 15.10, 3, 2_000, 1),
)


@dataclass(frozen=True)
class Symbols:
    """The instruments as columns, all of shape (59,). `cents` is what one point of price is worth to 0.01 lot, in
    cents; it turns a price in points into the position's value just as well. Swap rates are cents per 0.01 lot and
    night, commissions cents per 0.01 lot."""

    price: Floats
    power: Floats
    move: Floats
    cents: Floats
    spread: Ints
    commission: Ints
    swap_long: Ints
    swap_short: Ints
    crypto: Bools


def _columns() -> Symbols:
    def ints(name: str) -> Ints:
        return np.array([getattr(one, name) for one in INSTRUMENTS], np.int64)

    return Symbols(
        price=np.array([one.price for one in INSTRUMENTS]),
        power=np.array([10.0**one.digits for one in INSTRUMENTS]),
        move=np.array([one.move for one in INSTRUMENTS]),
        cents=np.array([one.contract * QUOTE_USD[one.quote] / 10**one.digits for one in INSTRUMENTS]),
        spread=ints("spread"),
        commission=ints("commission"),
        swap_long=ints("swap_long"),
        swap_short=ints("swap_short"),
        crypto=np.array([one.crypto for one in INSTRUMENTS]),
    )


SYMBOLS = _columns()
