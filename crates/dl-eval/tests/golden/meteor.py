"""Golden METEOR scores from the METEOR 1.5 jar that pycocoevalcap ships.

usage: python meteor.py meteor.json

Sentences come from a seeded grammar written for this test; no caption of a data set
is used. Of each set it keeps the tokens and, with two runs of the jar, the scores
 - `meteor`: as pycocoevalcap runs it (`-stdio -l en -norm`), all four matchers;
 - `exact_stem`: two matchers (`-m "exact stem"`) and no function words.
Made with pycocoevalcap 1.2, Python 3.11, Java 17.
"""

import json
import os
import random
import subprocess
import sys
import tempfile

from pycocoevalcap.meteor import meteor

FOLDER = os.path.dirname(os.path.abspath(meteor.__file__))
ENGLISH = ["-p", "0.85 0.2 0.6 0.75"]

# Words of one list can stand for each other: inflected, synonymous or not at all.
WHO = [["a man", "the men", "a male"], ["a woman", "women", "the lady"], ["a dog", "the dogs", "a hound"],
       ["children", "a child", "kids"], ["a bird", "birds", "fowl"], ["a car", "an automobile", "cars"],
       ["the engine", "engines", "a motor"], ["rain", "the rainfall", "heavy rain"], ["water", "the waters", "a stream"],
       ["people", "a crowd", "persons"], ["a bell", "bells", "the bell 's tone"], ["someone", "somebody", "a person"]]
DOES = [["talks", "is talking", "speaks", "talked"], ["barks", "barking", "is barking loudly", "bark"],
        ["runs", "ran", "is running", "flows"], ["sings", "sang", "is singing", "singing"],
        ["rings", "rang", "is ringing", "sounds"], ["laughs", "laughing", "giggles", "is laughing"],
        ["falls", "fell", "is falling", "drops"], ["starts", "begins", "started", "is starting up"],
        ["stops", "does n't stop", "stopped", "comes to a stop"], ["passes by", "goes by", "is passing", "drives past"],
        ["makes noise", "is noisy", "making a noise", "is making noises"]]
HOW = [["loudly", "very loud", "in a loud way"], ["quickly", "rapidly", "quick", "at a fast pace"],
       ["in the distance", "far away", "from a distance", "far off"], ["in the background", "behind", "at the back"],
       ["at the same time", "simultaneously", "at once"], ["again and again", "repeatedly", "over and over"],
       ["for a while", "for some time", "a while"], ["high-pitched", "high - pitched", "at a high pitch"],
       ["over a p.a. system", "over the pa", "on a loudspeaker"], ["near by", "nearby", "close by"]]
JOIN = ["and", "then", "while", "as", ", then", "before", "followed by", "and then"]
ODD = ["...", "'", "\u2019s", "e.g.", "etc.", "3.5", "1,000", "no.", "5", "o'clock", "caf\u00e9", "a,b,c", "?!", "--",
       "\"", "u.s.", "sec.", "90's"]


def clause(rng, plan):
    who, does, how = plan
    words = [rng.choice(WHO[who]), rng.choice(DOES[does])]
    words.insert(rng.choice([0, 2, 2]), rng.choice(HOW[how]))
    return " ".join(words)


def sentence(rng, plans):
    plans = list(plans)
    if rng.random() < 0.4:
        rng.shuffle(plans)
    text = clause(rng, plans[0])
    for plan in plans[1:]:
        text += f" {rng.choice(JOIN)} " + clause(rng, plan)
    return text


def sets():
    rng = random.Random(15)
    draw = lambda: (rng.randrange(len(WHO)), rng.randrange(len(DOES)), rng.randrange(len(HOW)))
    for _ in range(85):
        plans = [draw() for _ in range(rng.randint(1, 4))]
        yield sentence(rng, plans), [sentence(rng, plans) for _ in range(rng.randint(1, 5))]
    # Many ways to align: few words, often, some of them alike in several ways.
    alike = "a an the one dog dogs hound barks barking and bark man men talking talks speaking runs running run while as"
    for _ in range(40):
        words = rng.sample(alike.split(), rng.randint(2, 9))
        text = lambda: " ".join(rng.choice(words) for _ in range(rng.randint(1, 40)))
        yield text(), [text() for _ in range(rng.randint(1, 3))]
    # What the normalisation cuts.
    for _ in range(20):
        plans = [draw() for _ in range(2)]
        def text():
            words = sentence(rng, plans).split()
            for _ in range(3):
                words.insert(rng.randint(0, len(words)), rng.choice(ODD))
            return " ".join(words)
        yield text(), [text(), text()]
    same = sentence(rng, [draw(), draw()])
    yield from [(same, [sentence(rng, [draw()]), same]), ("", [same]), (same, ["", "rain"]), ("rain", ["rain"]),
                ("zyx wvu", ["rain falls"])]


def run(items, options):
    command = ["java", "-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm", *options]
    jar = subprocess.Popen(command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    def ask(line):
        jar.stdin.write(line + "\n")
        jar.stdin.flush()
    counts = []
    for candidate, references in items:
        ask(" ||| ".join(["SCORE", *references, candidate]))
        counts.append(jar.stdout.readline().strip())
    ask(" ||| ".join(["EVAL", *counts]))
    scores = [float(jar.stdout.readline()) for _ in range(len(items) + 1)]
    jar.stdin.close()
    jar.wait()
    return scores[:-1], scores[-1]


items = list(sets())
with tempfile.NamedTemporaryFile(suffix=".words") as empty:
    two = ["-m", "exact stem", "-w", "1.0 0.6", "-s", empty.name, *ENGLISH]
    runs = {"meteor": run(items, []), "exact_stem": run(items, two)}
golden = {
    "items": [
        {"candidate": candidate, "references": references, **{key: scores[i] for key, (scores, _) in runs.items()}}
        for i, (candidate, references) in enumerate(items)
    ],
    "corpus": {key: corpus for key, (_, corpus) in runs.items()},
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(golden, file, indent=0, ensure_ascii=True)
