"""Trains examples/models/films: which films would this person like?

No ratings that may be used freely were found in a package, so these are SIMULATED: 400 people with tastes (how much each likes science fiction, romance,
jokes and so on), 60 films with shares of these, ratings of 1 to 5 with noise. The films are real, their shares are our own guess; the people are not real. A tenth of the ratings is
held out; training never sees it.

    pip install numpy==2.4.6 onnx==1.23.2
    python films.py

Learns a vector for each person and film by alternating least squares, and writes them as an ONNX graph: user [rows], item [rows] -> rating [rows].
Prints the error on held-out ratings. A second.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(__file__).resolve().parent.parent / "models" / "films"
# science fiction, romance, comedy, crime, fantasy, war and history
FILMS = {
    "Metropolis (1927)": (9, 3, 0, 1, 3, 2), "Nosferatu (1922)": (0, 2, 0, 2, 8, 0), "The General (1926)": (0, 4, 8, 0, 0, 5), "City Lights (1931)": (0, 8, 8, 0, 0, 0),
    "M (1931)": (0, 0, 0, 9, 0, 1), "King Kong (1933)": (4, 3, 0, 0, 7, 0), "Modern Times (1936)": (1, 4, 9, 1, 0, 1), "The Wizard of Oz (1939)": (0, 1, 3, 0, 9, 0),
    "Casablanca (1942)": (0, 9, 1, 2, 0, 7), "The Third Man (1949)": (0, 2, 1, 9, 0, 3), "Rashomon (1950)": (0, 2, 0, 7, 1, 5), "Singin' in the Rain (1952)": (0, 7, 8, 0, 0, 0),
    "Seven Samurai (1954)": (0, 1, 1, 2, 0, 9), "Rear Window (1954)": (0, 4, 2, 9, 0, 0), "The Seventh Seal (1957)": (0, 1, 1, 0, 7, 5), "12 Angry Men (1957)": (0, 0, 0, 9, 0, 1),
    "Some Like It Hot (1959)": (0, 6, 9, 3, 0, 0), "Psycho (1960)": (0, 1, 0, 9, 1, 0), "Breakfast at Tiffany's (1961)": (0, 9, 5, 0, 0, 0), "Lawrence of Arabia (1962)": (0, 0, 0, 0, 0, 9),
    "Dr. Strangelove (1964)": (3, 0, 9, 0, 0, 6), "Playtime (1967)": (2, 2, 9, 0, 0, 0), "2001: A Space Odyssey (1968)": (9, 0, 0, 0, 2, 0), "The Godfather (1972)": (0, 2, 0, 9, 0, 2),
    "Solaris (1972)": (9, 4, 0, 0, 2, 0), "Young Frankenstein (1974)": (2, 1, 9, 0, 4, 0), "Chinatown (1974)": (0, 3, 0, 9, 0, 1), "Taxi Driver (1976)": (0, 1, 0, 8, 0, 2),
    "Annie Hall (1977)": (0, 9, 8, 0, 0, 0), "Star Wars (1977)": (9, 2, 2, 0, 6, 4), "Alien (1979)": (9, 0, 0, 0, 3, 0), "Stalker (1979)": (8, 0, 0, 0, 5, 0),
    "Airplane! (1980)": (0, 2, 9, 0, 0, 0), "Das Boot (1981)": (0, 0, 0, 0, 0, 9), "Blade Runner (1982)": (9, 3, 0, 6, 0, 0), "E.T. (1982)": (8, 1, 3, 0, 5, 0),
    "Ghostbusters (1984)": (3, 2, 8, 0, 7, 0), "Brazil (1985)": (8, 4, 6, 1, 3, 0), "Back to the Future (1985)": (8, 3, 7, 0, 1, 0), "The Princess Bride (1987)": (0, 7, 7, 0, 9, 0),
    "Wings of Desire (1987)": (0, 7, 1, 0, 8, 2), "When Harry Met Sally (1989)": (0, 9, 7, 0, 0, 0), "Goodfellas (1990)": (0, 1, 2, 9, 0, 0), "Schindler's List (1993)": (0, 1, 0, 1, 0, 9),
    "Groundhog Day (1993)": (2, 6, 9, 0, 4, 0), "Pulp Fiction (1994)": (0, 2, 5, 9, 0, 0), "Before Sunrise (1995)": (0, 9, 1, 0, 0, 0), "The English Patient (1996)": (0, 9, 0, 0, 0, 7),
    "Princess Mononoke (1997)": (0, 2, 0, 0, 9, 5), "Saving Private Ryan (1998)": (0, 0, 0, 0, 0, 9), "The Matrix (1999)": (9, 2, 0, 2, 3, 0), "In the Mood for Love (2000)": (0, 9, 0, 0, 0, 1),
    "Amélie (2001)": (0, 8, 7, 0, 3, 0), "Spirited Away (2001)": (0, 2, 1, 0, 9, 0), "The Fellowship of the Ring (2001)": (0, 2, 1, 0, 9, 5), "City of God (2002)": (0, 1, 0, 9, 0, 2),
    "Memories of Murder (2003)": (0, 0, 2, 9, 0, 1), "Shaun of the Dead (2004)": (0, 3, 9, 0, 5, 0), "Pan's Labyrinth (2006)": (0, 0, 0, 0, 9, 7), "Wall-E (2008)": (9, 5, 4, 0, 1, 0),
}
NAMES = ["likes science fiction", "likes romances", "likes comedies", "likes crime", "likes fantasy", "likes war and history"]
SIZE, RIDGE, ROUNDS = 7, 2.0, 12


def simulate(random):
    """Ratings as columns: person, film, 1 to 5. The first six people have one taste each."""
    shares = np.array(list(FILMS.values()), float)
    shares /= np.linalg.norm(shares, axis=1, keepdims=True)
    tastes = np.concatenate([np.eye(6) * 1.6 - 0.35, random.normal(0, 0.8, (394, 6))])
    good = random.normal(0, 0.25, len(shares))
    rows = []
    for person, taste in enumerate(tastes):
        kind = random.normal(0, 0.3)
        seen = np.arange(len(shares)) if person < 6 else random.choice(len(shares), random.integers(15, 40), replace=False)
        for film in seen:
            rating = 3.2 + kind + good[film] + 1.3 * taste @ shares[film] + random.normal(0, 0.4)
            rows.append((person, film, np.clip(round(rating), 1, 5)))
    return np.array(rows, float)


def learn(ratings, people, films, random):
    persons, items, values = ratings[:, 0].astype(int), ratings[:, 1].astype(int), ratings[:, 2]
    mean = values.mean()
    p, q = random.normal(0, 0.1, (people, SIZE)), random.normal(0, 0.1, (films, SIZE))
    for _ in range(ROUNDS):
        for side, other, own, theirs in ((p, q, persons, items), (q, p, items, persons)):
            for one in range(len(side)):
                mask = own == one
                a = other[theirs[mask]]
                side[one] = np.linalg.solve(a.T @ a + RIDGE * np.eye(SIZE), a.T @ (values[mask] - mean))
    return mean, p, q


def main():
    random = np.random.default_rng(1927)
    ratings = simulate(random)
    held_out = random.random(len(ratings)) < 0.1
    people, films = 400, len(FILMS)
    mean, p, q = learn(ratings[~held_out], people, films, random)
    predicted = lambda rows: mean + (p[rows[:, 0].astype(int)] * q[rows[:, 1].astype(int)]).sum(1)
    error = np.sqrt(np.mean((predicted(ratings[held_out]) - ratings[held_out, 2]) ** 2))
    plain = np.sqrt(np.mean((mean - ratings[held_out, 2]) ** 2))
    print(f"{(~held_out).sum()} simulated ratings, {held_out.sum()} held out: error {error:.2f} of 1 to 5 (always the mean: {plain:.2f})")
    for person, name in enumerate(NAMES):
        print(name, [list(FILMS)[film] for film in np.argsort(-(q @ p[person]))[:4]])
    info = helper.make_tensor_value_info
    constants = [numpy_helper.from_array(p.astype(np.float32), "people"), numpy_helper.from_array(q.astype(np.float32), "films"), numpy_helper.from_array(np.float32(mean), "mean"), numpy_helper.from_array(np.array([1]), "axis")]
    nodes = [helper.make_node("Gather", ["people", "user"], ["person"]), helper.make_node("Gather", ["films", "item"], ["film"]), helper.make_node("Mul", ["person", "film"], ["product"]), helper.make_node("ReduceSum", ["product", "axis"], ["sum"], keepdims=0), helper.make_node("Add", ["sum", "mean"], ["rating"])]
    graph = helper.make_graph(nodes, "films", [info("user", TensorProto.INT64, ["batch"]), info("item", TensorProto.INT64, ["batch"])], [info("rating", TensorProto.FLOAT, ["batch"])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="modelport-examples", ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    OUT.mkdir(parents=True, exist_ok=True)
    onnx.save(model, OUT / "model.onnx")
    people_names = NAMES + [f"person {index}" for index in range(7, people + 1)]
    quote = lambda text: "'" + text.replace("'", "''") + "'"
    (OUT / "model.yaml").write_text("\n".join([
        "description: >-",
        f"  Which films would this person like? The ratings that it learnt from are simulated: no real people are in it. On {held_out.sum()} held-out ratings of 1 to 5 it is off by {error:.2f} (always",
        f"  the mean: {plain:.2f}).",
        "task:",
        "  name: recommendation",
        "  topK: 5",
        "  # The first six have one taste each; the others have mixed ones.",
        f"  users: [{', '.join(quote(name) for name in people_names)}]",
        "  items:",
        *[f"    - {quote(name)}" for name in FILMS],
        "examples:",
        *[f"  - {{user: {quote(name)}}}" for name in NAMES[:3]],
        "",
    ]))


main()
