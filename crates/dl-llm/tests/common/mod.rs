//! A small world with known answers: scenes of one or two events, captions from
//! templates, and embeddings that are a random linear picture of the scene.

use dl_core::noise::Noise;
use ndarray::Array2;

/// The word that must be named, and wordings that name it.
const EVENTS: [(&str, [&str; 3]); 12] = [
    ("dog", ["a dog barks", "a dog is barking loudly", "barking of a dog"]),
    ("cat", ["a cat meows", "a cat is meowing", "meowing of a small cat"]),
    ("rain", ["rain falls", "rain is falling on a roof", "heavy rain patters"]),
    ("wind", ["the wind blows", "strong wind is howling", "wind rushes through trees"]),
    ("engine", ["an engine idles", "an engine is running", "humming of an engine"]),
    ("bell", ["a bell rings", "a church bell is ringing", "ringing of a bell"]),
    ("baby", ["a baby cries", "a baby is crying", "crying of a baby"]),
    ("train", ["a train passes", "a train is rolling by", "rumbling of a train"]),
    ("siren", ["a siren wails", "an emergency siren is wailing", "a siren sounds far away"]),
    ("clock", ["a clock ticks", "a clock is ticking steadily", "ticking of a clock"]),
    ("bird", ["a bird sings", "a bird is chirping", "chirping of a bird"]),
    ("water", ["water drips", "water is pouring into a sink", "splashing of water"]),
];

/// Captions, unit-length embeddings, and the words that each caption must name.
pub(crate) struct World {
    pub(crate) captions: Vec<String>,
    pub(crate) embeddings: Array2<f32>,
    pub(crate) words: Vec<Vec<&'static str>>,
}

impl World {
    /// `n` scenes; worlds of other `stream`s hold other scenes in the same picture.
    pub(crate) fn new(n: usize, dim: usize, noise: f32, stream: &str) -> Self {
        let kinds = EVENTS.len();
        // One row for each event as first, as second, and for each relation.
        let features: Vec<u64> = (0..2 * kinds as u64 + 3).collect();
        let picture = Noise::new(1, "toy/picture").normal_rows(&features, 0, dim);
        let draws = Noise::new(2, stream);
        let mut world =
            Self { captions: vec![], embeddings: Array2::zeros((n, dim)), words: vec![] };
        for scene in 0..n {
            let draw = |step, bound: usize| draws.below(scene as u64, step, bound as u64) as usize;
            let (first, relation) = (draw(0, kinds), draw(1, 3));
            let second = (first + 1 + draw(2, kinds - 1)) % kinds;
            let wording = |event: usize, step| EVENTS[event].1[draw(step, 3)];
            let (a, b) = (wording(first, 3), wording(second, 4));
            world.captions.push(match relation {
                0 => a.to_owned(),
                1 => format!("{a} while {b}"),
                _ => format!("{a}, followed by {b}"),
            });
            let mut row = draws.normal_rows(&[scene as u64], 5, dim);
            row.iter_mut().for_each(|x| *x *= noise);
            let mut active = vec![first, 2 * kinds + relation];
            let mut words = vec![EVENTS[first].0];
            if relation > 0 {
                active.push(kinds + second);
                words.push(EVENTS[second].0);
            }
            for feature in active {
                for (x, part) in row.iter_mut().zip(&picture[feature * dim..]) {
                    *x += part;
                }
            }
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            for (x, value) in world.embeddings.row_mut(scene).iter_mut().zip(row) {
                *x = value / norm;
            }
            world.words.push(words);
        }
        world
    }

    /// Share of captions that name exactly the events of their scene, in order.
    pub(crate) fn accuracy(&self, captions: &[String]) -> f64 {
        let right = captions.iter().zip(&self.words).filter(|(c, words)| named(c) == **words);
        right.count() as f64 / captions.len() as f64
    }
}

fn named(caption: &str) -> Vec<&str> {
    let words = caption.split(|c: char| !c.is_alphabetic());
    words.filter(|word| EVENTS.iter().any(|(name, _)| name == word)).collect()
}
