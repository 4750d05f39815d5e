"""What is seen in an SVG, read back from its text alone, and what is wrong with it."""

import re
from dataclasses import dataclass
from itertools import combinations, pairwise
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"

#: Discs larger than this are blobs and vertices, smaller ones the ends of legs.
LARGE = 5.0


@dataclass
class Seen:
    """A picture: its size, discs (x, y, r), strokes as points, letters as boxes."""

    width: float
    height: float
    discs: list[tuple[float, float, float]]
    strokes: list[np.ndarray]
    words: list[tuple[float, float, float, float]]
    title: str
    description: str

    @property
    def large(self):
        return [d for d in self.discs if d[2] > LARGE]


def read(text: str) -> Seen:
    root = ElementTree.fromstring(text)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    outlines = {
        f"#{p.attrib['id']}": np.concatenate(curves(p.attrib["d"]))
        for p in root.iterfind(f"{SVG}defs/{SVG}path")
    }
    seen = Seen(width, height, [], [], [], root.find(f"{SVG}title").text, "")
    seen.description = root.find(f"{SVG}desc").text
    for group in root.iterfind(f"{SVG}g"):
        if group.find(f"{SVG}use") is not None:
            seen.words.append(_box(group, outlines))
        else:
            drawn = list(group)
            for n, element in enumerate(drawn):
                if element.tag == f"{SVG}circle":
                    seen.discs.append(tuple(float(element.attrib[k]) for k in ("cx", "cy", "r")))
                elif n and drawn[n - 1].tag == f"{SVG}circle":
                    continue  # the star or the hatching of the disc before
                else:
                    (points,) = curves(element.attrib["d"])
                    seen.strokes.append(points)
    return seen


def curves(path: str) -> list[np.ndarray]:
    """Points on each line of a path, at most a point apart."""
    found, points, start = [], [], None
    for command, rest in re.findall(r"([MLCQZ])([^MLCQZ]*)", path):
        knots = np.array(re.findall(r"-?[\d.]+", rest), float).reshape(-1, 2)
        if command == "M":
            if points:
                found.append(np.concatenate(points))
            points, start = [knots], knots[0]
            continue
        here = points[-1][-1]
        knots = np.array([here, start]) if command == "Z" else np.vstack([here, knots])
        t = np.linspace(0, 1, max(3, int(np.abs(np.diff(knots, axis=0)).sum())))[:, None]
        while len(knots) > 1:  # de Casteljau, for all t at once
            knots = [a + t * (b - a) for a, b in pairwise(knots)]
        points.append(knots[0])
    found.append(np.concatenate(points))
    return found


def _box(group, outlines):
    boxes = []
    for use in group.iterfind(f"{SVG}use"):
        x, y, scale = map(float, re.findall(r"-?[\d.]+", use.attrib["transform"]))
        points = scale * outlines[use.attrib["href"]] + (x, y)
        boxes.append([*points.min(axis=0), *points.max(axis=0)])
    boxes = np.array(boxes)
    return (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))


def faults(seen: Seen, room: float = 1.5) -> list[str]:
    """Everything that overlaps, is cut off, or is closer than `room` points."""
    return [*_cut_off(seen), *_discs(seen, room), *_strokes(seen, room), *_words(seen, room)]


def _cut_off(seen):
    corners = [p for x, y, r in seen.discs for p in ((x - r, y - r), (x + r, y + r))]
    corners += [p for a, b, c, d in seen.words for p in ((a, b), (c, d))]
    points = np.concatenate([*seen.strokes, np.array(corners)])
    if points.min() < 0.4 or (points > (seen.width - 0.4, seen.height - 0.4)).any():
        yield "something is cut off"


def _discs(seen, room):
    for (x, y, r), (u, v, s) in combinations(seen.discs, 2):
        if np.hypot(x - u, y - v) < r + s + room:
            yield f"discs at ({x}, {y}) and ({u}, {v}) touch"


def _strokes(seen, room):
    for stroke in seen.strokes:
        for x, y, r in seen.discs:
            distance = np.hypot(*(stroke - (x, y)).T)
            own = min(distance[0], distance[-1]) < r + 0.1
            if not own and distance.min() < r + room:
                yield f"a line passes through the disc at ({x}, {y})"
    free = [_outside(stroke, seen.large) for stroke in seen.strokes]
    for (a, p), (b, q) in combinations(zip(seen.strokes, free), 2):
        together = any(np.hypot(*(e - f)) < 0.05 for e in (a[0], a[-1]) for f in (b[0], b[-1]))
        if together or not (len(p) and len(q)):
            continue
        if (p.min(axis=0) > q.max(axis=0) + room).any() or (
            q.min(axis=0) > p.max(axis=0) + room
        ).any():
            continue
        if np.hypot(*(p[:, None] - q[None]).reshape(-1, 2).T).min() < room:
            yield f"lines from {a[0]} and from {b[0]} touch"


def _outside(points, discs):
    for x, y, r in discs:
        points = points[np.hypot(*(points - (x, y)).T) > r]
    return points


def _words(seen, room):
    for (a, b, c, d), (e, f, g, h) in combinations(seen.words, 2):
        if max(a, e) < min(c, g) + room / 2 and max(b, f) < min(d, h) + room / 2:
            yield f"letters at ({a:.1f}, {b:.1f}) and ({e:.1f}, {f:.1f}) touch"
    for a, b, c, d in seen.words:
        middle = np.array([(a + c) / 2, (b + d) / 2])
        inside = [q for q in seen.large if np.hypot(*(middle - q[:2])) < q[2]]
        for x, y, r in seen.discs:
            corners = np.array([(a, b), (a, d), (c, b), (c, d)])
            if (x, y, r) in inside:
                if np.hypot(*(corners - (x, y)).T).max() > r - 0.4:
                    yield f"letters do not fit into the disc at ({x}, {y})"
            elif np.hypot(max(a - x, x - c, 0), max(b - y, y - d, 0)) < r + room / 3:
                yield f"letters touch the disc at ({x}, {y})"
        for stroke in seen.strokes if not inside else ():
            off = np.maximum(np.maximum((a, b) - stroke, stroke - (c, d)), 0)
            if np.hypot(*off.T).min() < room / 3:
                yield f"letters at ({a:.1f}, {b:.1f}) touch a line"
