"""chart.py: one SVG of lines over a logarithmic x axis. Pure."""
import math

W, H, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 64, 170, 40, 48
COLOURS = ["#0b6bcb", "#c4420f", "#2a7d2a", "#7a3fb0", "#8a6d00", "#555555"]


def nice_step(top):
	step = 10 ** math.floor(math.log10(top / 4))
	return next(step * k for k in (1, 2, 5, 10) if top / (step * k) <= 6)


def number(v):
	return f"{v:,.0f}" if v >= 10 or v == int(v) else f"{v:.2f}"


def svg(title, x_name, y_name, series):
	"""series: {name: [(x, low, middle, high)]}, x > 0; y from 0."""
	xs = sorted({p[0] for line in series.values() for p in line})
	step = nice_step(max(p[3] for line in series.values() for p in line) or 1)
	top = step * math.ceil(max(p[3] for line in series.values() for p in line) / step)
	span = math.log10(xs[-1] / xs[0]) or 1
	at_x = lambda x: LEFT + (W - LEFT - RIGHT) * math.log10(x / xs[0]) / span
	at_y = lambda y: H - BOTTOM - (H - TOP - BOTTOM) * y / top
	out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
	       f'<rect width="{W}" height="{H}" fill="#fff"/>', f'<text x="{LEFT}" y="22" font-size="15">{title}</text>']
	for i in range(round(top / step) + 1):
		y = at_y(i * step)
		out.append(f'<line x1="{LEFT}" x2="{W - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
			   f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(i * step)}</text>')
	for x in xs:
		out.append(f'<text x="{at_x(x):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{x:,}</text>')
	out.append(f'<text x="{(LEFT + W - RIGHT) / 2}" y="{H - 10}" text-anchor="middle">{x_name}</text>')
	out.append(f'<text x="{LEFT}" y="36" fill="#555">{y_name}</text>')
	ends = []
	for (name, line), colour in zip(series.items(), COLOURS):
		out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{at_x(p[0]):.1f},{at_y(p[2]):.1f}" for p in line)}"/>')
		for x, low, mid, high in line:
			out.append(f'<line x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{at_y(low):.1f}" y2="{at_y(high):.1f}" stroke="{colour}"/>'
				   f'<circle cx="{at_x(x):.1f}" cy="{at_y(mid):.1f}" r="3" fill="{colour}"/>')
		ends.append([at_y(line[-1][2]), name, colour])
	below = TOP
	for y, name, colour in sorted(ends): # names do not cover each other
		y = max(y, below)
		below = y + 15
		out.append(f'<text x="{W - RIGHT + 10}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
	return "\n".join(out + ["</svg>", ""])
