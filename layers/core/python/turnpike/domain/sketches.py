"""Histograms whose buckets grow geometrically: quantiles of a bounded relative error, from counts that add up.

Any two of one scale are merged by adding their counts, in whatever order, and nothing is lost by it: the error of a
quantile is that of a single bucket. See Masson, Rim and Lee, "DDSketch", VLDB 2019 (https://arxiv.org/abs/1908.10693).
"""

from collections.abc import Mapping
from math import ceil, log


class Scale:
    """Which values share a bucket. Those outside `lowest` to `highest` count as the nearer of the two.

    Counts are stored by bucket, so what is stored outlives no change of a scale.
    """

    __slots__ = ("_growth", "_log_growth", "highest", "lowest")

    def __init__(self, lowest: float, highest: float, error: float) -> None:
        """`error` bounds the relative error of a quantile: 0.05 is five percent."""
        self.lowest, self.highest = lowest, highest
        self._growth = (1 + error) / (1 - error)
        self._log_growth = log(self._growth)

    @property
    def buckets(self) -> int:
        return self.bucket_of(self.highest) + 1

    def bucket_of(self, value: float) -> int:
        within = min(max(value, self.lowest), self.highest)
        # Not below the first one, where rounding puts the lowest value itself.
        return max(0, ceil(log(within / self.lowest) / self._log_growth))

    def value_of(self, bucket: int) -> float:
        """The value that is off by the same share from both of the bucket's ends."""
        return self.lowest * self._growth**bucket * 2 / (1 + self._growth)

    def quantile(self, counts: Mapping[int, int], share: float) -> float:
        """The value that `share` of the counted ones, from 0 to 1, do not exceed. Raises ValueError for no counts."""
        rank = share * (sum(counts.values()) - 1)
        passed = 0
        for bucket in sorted(counts):
            passed += counts[bucket]
            if passed > rank:
                return self.value_of(bucket)
        raise ValueError("nothing was counted")
