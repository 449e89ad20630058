"""stats.py: medians, their 95 % intervals, and what a bar says of them. Pure."""
import statistics


def median(v):
	return statistics.median(v)


def interval(v):
	"""Median and a 95 % interval of it, from the order of the values (binomial, by its normal approximation)."""
	v = sorted(v)
	k = max(0, int((len(v) - 1.96 * len(v) ** 0.5) / 2))
	return statistics.median(v), v[k], v[-1 - k]


SPREAD_MAX = 0.5 # of the median: a wider interval says nothing


def verdict(mid, low, high, bar):
	"""bar: ("<=" or ">=", number) or None. A bar is missed only when the whole interval lies beyond it."""
	if bar is None:
		return ""
	sign, at = bar
	best, worst = (low, high) if sign == "<=" else (high, low)
	beyond = (lambda x: x > at) if sign == "<=" else (lambda x: x < at)
	if beyond(best):
		return "**MISSED**"
	if mid and (high - low) / abs(mid) > SPREAD_MAX and beyond(worst):
		return "spread too wide to say"
	return "not excluded" if beyond(mid) else "met"


def ratios(x, y):
	return [a / b for a, b in zip(x, y)]


def added(x, y, base):
	"""What x costs more than base, in shares of what y costs more; round by round. Rounds in which y was not above
	base say nothing and are left out."""
	return [(a - c) / (b - c) for a, b, c in zip(x, y, base) if b > c]
