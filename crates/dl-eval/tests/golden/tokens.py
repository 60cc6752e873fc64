"""Golden tokens of hard captions from pycocoevalcap (Stanford PTBTokenizer 3.4.1 in Java).

usage: python tokens.py tokens.json

All captions are written for this test and stand in one file, in this order: the end of a
line may depend on the next one. Nothing is random.
Made with pycocoevalcap 1.2, Python 3.11, Java 17.
"""

import json
import sys

from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

CAPTIONS = [
    # Contractions and apostrophes
    "A dog's bark doesn't stop, they've left and we'll wait; I'd say he's loud, I'm sure",
    "It can't, won't and shouldn't; you cannot, gonna gotta wanna lemme gimme hum",
    "'Twas loud, 'tis quiet, dunno why, ain't it? WON'T CAN'T IT'S",
    "Rock 'n' roll from the '90s plays 'til dawn, get 'em, 'cause y'all know",
    "The dogs' barks, o'clock chimes, ma'am, O'Malley, d'Avignon, l'eau, nor'easter, c'mon",
    "don’t it’s they’ll ’90s ‘quiet’ dog`s n't 's 'll",
    "Who'd've thought: shouldn't've, ol' dog, somethin' hums, ne'er, e'er, li'l, cont'd.",
    "The 'quoted hum' and 'x",
    # Numbers, units, money
    "3.5 kHz, 1,000 Hz and 1,000,000.5 at 5:30pm, 50% of 44.1kHz, -5 dB or +3.2",
    "1/2 cup, 1 1/2 cups, 2-1/2, 1⁄2, ½ ⅓ ⅔ ¼ ¾ ⅛, x² 10⁻³ H₂O",
    "$5, US$5, A$ 5, £5, €6, ¥7, 5¢, ¤ and 1990s, 5th, 24/7, 12/25/2020, 2020-12-25",
    "Call 555-1234, (555) 123-4567, +1 555 123 4567, 555.123.4567 or 1-800-555-1234",
    "1..2 .5 5. 1.2.3 1:2:3 ٣ ٣٫٥ १२ 5-6 5–6",
    # Abbreviations
    "Mr. Smith and Dr. Jones of St. Ives Ave. play, etc. The end",
    "A U.S. car and a U.K. bus. E.g. birds, i.e. gulls, at 5 p.m. He sings",
    "Vitamin C. The dog eats. Plan B. Cats walk, type A, I. am",
    "Fig. 5, no. 7, No. Way, pp. 5, art. 3, approx. 4, Jan. 5, Inc. and pty. ltd.",
    "Wash. the dog, wash. the dog, La. is not la. but mass. is not Mass. either",
    "A letter ends the line: X.",
    "The next line begins with one of the words that matter",
    "A letter ends the line: X.",
    "Dogs begin the next line, and it ends with pp.",
    "5 begins this one",
    "barks.A cat meows.then runs.it is x!y what?no dog.3",
    "Ph.D. B.B.C. a.k.a. non-U.S. EU-U.S. U.S.-U.K. m.p.h. etc.) (etc.",
    # Signs
    "Loud (very) [beep] {hum} <b>bold</b> <x y> < > << >> &lt; &gt; <!-- remark -->",
    'He says "hello" and ``hi\'\' and “hum” „low“ «hey» ‹ho› "" \'\'',
    "Wait... what.... no..... oh...... . . . and … done..",
    "a - b -- c --- d ---- e ----- f – g — h ― i x--y high-pitched well- -known",
    "what?! no!!! ! ? ?? !? ; : , . ,, ;; ::",
    "and/or he/she's w/ a\\b \\/ * ** *** a*b ~ ^ | % & + = == _ __ hello_world @ @@ # ##",
    "AT&T R&D B&amp;B &amp; &quot;x&quot; dog&apos;s &nbsp; &mdash; &#39; caf&eacute; S&P-500",
    ":) :-) ;) :( =D :P <3 >:( ^_^ (-_-) x_x (o) :D.",
    "c++ C# f# pro- anti-noise -LRB- Cap'n c'est",
    "#1 #tag #tag2 @home @5 a@b foo@bar.com <foo@bar.com> foo@bar.com, http://x.org/a www.foo.com",
    "https://www.foo.com/a?b=c. foo.com x.org. foo.co.uk song.wav photo.png, a.b.txt readme.md",
    # Beyond ASCII
    "Café NAÏVE e\u0301tude Straße ÀÉÎ İstanbul привет ПРИВЕТ ΣΑΣ ΣΑΣ. ὈΔΥΣΣΕΎΣ",
    "犬が吠える 猫、 שלום नमस्ते ไทย 한국어 العربية ¿que? ¡hola! 。 、",
    "😀 👍🏽 👨‍👩‍👧 🇩🇪 a😀b 𝒳 ﬁ Ａｂ１ ™ © ° 50°C µs × ÷ † • · → ♪ ♫ Ⅳ Ⓐ ⓐ ª º",
    "sound\u00ading \u00ad a\u200bb a\u200db \u00a0 \u2009 \u3000 \u202f a\u00a0b \ufeff \u200e \u2060",
    "\u0080 \u0091x\u0092 \u0093q\u0094 a\u0096b \u0097 \u0000 a\u0001b \u007f \u001b \ufffd \ue000",
    # Edges
    "",
    " ",
    ".",
    "...!",
    "http://x.org/a\u00a0",
    "\t a \t dog \t",
    "'",
    "''''",
    "end",
]

tokens = PTBTokenizer().tokenize({i: [{"caption": c}] for i, c in enumerate(CAPTIONS)})
lines = [{"caption": c, "tokens": tokens[i][0]} for i, c in enumerate(CAPTIONS)]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(lines, file, indent=1)
    file.write("\n")
