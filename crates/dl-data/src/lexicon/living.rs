//! Words for animals, people, weather, water and fire.

use super::entry::{Entry, event, many, one, texture};

pub(super) const LIVING: &[Entry] = &[
    event(
        &["dog bark", "dog", "dog barking"],
        &[
            one("a dog", "barks", "barking"),
            one("a dog", "lets out a bark", "letting out a bark"),
            one("a puppy", "yaps and barks", "yapping and barking"),
        ],
        &["the barking of a dog", "dog barks", "a barking dog", "the bark of a dog"],
        &["dog", "dogs", "bark*", "puppy"],
    ),
    event(
        &["cat meow", "cat"],
        &[one("a cat", "meows", "meowing"), one("a kitten", "mews", "mewing")],
        &["the meow of a cat", "a meowing cat", "a cat's meow"],
        &["cat", "cats", "kitten", "meow*", "mew*"],
    ),
    event(
        &["rooster"],
        &[
            one("a rooster", "crows", "crowing"),
            one("a cockerel", "crows", "crowing"),
            one("a rooster", "calls out", "calling out"),
        ],
        &["the crowing of a rooster", "a crowing rooster", "a rooster's call"],
        &["rooster*", "cockerel*", "crows", "crowing"],
    ),
    event(
        &["bird chirp", "chirping birds", "birds"],
        &[
            many("birds", "chirp", "chirping"),
            one("a bird", "sings", "singing"),
            many("small birds", "tweet", "tweeting"),
            one("a bird", "chirps", "chirping"),
        ],
        &["the chirping of birds", "birdsong", "chirping birds", "the song of a bird"],
        &["bird*"],
    ),
    texture(
        &["cricket", "crickets"],
        &[
            many("crickets", "chirp", "chirping"),
            many("crickets", "sing", "singing"),
            one("a cricket", "chirps", "chirping"),
        ],
        &["the chirping of crickets", "chirping crickets", "the song of crickets"],
        &["cricket*"],
    ),
    event(
        &["frog"],
        &[
            one("a frog", "croaks", "croaking"),
            one("a toad", "croaks", "croaking"),
            one("a frog", "calls", "calling"),
        ],
        &["the croaking of a frog", "a croaking frog", "a frog's call"],
        &["frog*", "toad*", "croak*"],
    ),
    event(
        &["owl"],
        &[one("an owl", "hoots", "hooting"), one("an owl", "calls softly", "calling softly")],
        &["the hooting of an owl", "a hooting owl", "the call of an owl"],
        &["owl", "owls", "hoot*"],
    ),
    texture(
        &["bee"],
        &[
            one("a bee", "buzzes", "buzzing"),
            many("bees", "buzz around", "buzzing around"),
            one("a bee", "hums", "humming"),
        ],
        &["the buzzing of a bee", "a buzzing bee", "the buzz of bees"],
        &["bee", "bees", "buzz*"],
    ),
    event(
        &["cow"],
        &[one("a cow", "moos", "mooing"), many("cattle", "low", "lowing")],
        &["the mooing of a cow", "a mooing cow"],
        &["cow", "cattle", "moo*"],
    ),
    event(
        &["pig"],
        &[one("a pig", "grunts", "grunting"), one("a pig", "oinks", "oinking")],
        &["the grunting of a pig", "an oinking pig"],
        &["pig", "oink*", "grunt*"],
    ),
    event(
        &["hen"],
        &[one("a hen", "clucks", "clucking"), many("hens", "cluck", "clucking")],
        &["the clucking of hens", "a clucking hen"],
        &["hen", "hens", "cluck*"],
    ),
    event(
        &["sheep"],
        &[one("a sheep", "bleats", "bleating"), one("a lamb", "baas", "baaing")],
        &["the bleating of a sheep", "a bleating lamb"],
        &["sheep", "lamb", "bleat*"],
    ),
    event(
        &["crow"],
        &[one("a crow", "caws", "cawing"), one("a raven", "caws", "cawing")],
        &["the cawing of a crow", "a cawing crow"],
        &["crow", "raven", "caw*"],
    ),
    event(
        &["baby cry", "crying baby", "baby crying"],
        &[
            one("a baby", "cries", "crying"),
            one("an infant", "wails", "wailing"),
            one("a baby", "sobs", "sobbing"),
        ],
        &["the crying of a baby", "a crying baby", "an infant's cry"],
        &["baby*", "infant*"],
    ),
    event(
        &["laughter", "laughing"],
        &[
            one("a person", "laughs", "laughing"),
            one("someone", "laughs", "laughing"),
            one("a woman", "giggles", "giggling"),
            many("people", "laugh", "laughing"),
        ],
        &["laughter", "the laughter of a person", "someone's laughter"],
        &["laugh*", "giggl*"],
    ),
    event(
        &["speech", "talking", "conversation"],
        &[
            one("a person", "speaks", "speaking"),
            one("someone", "talks", "talking"),
            one("a voice", "speaks", "speaking"),
            one("a person", "is giving a speech", "giving a speech"),
        ],
        &["speech", "the voice of a person", "someone's voice"],
        &["speak*", "talk*", "speech", "voice*"],
    ),
    texture(
        &["crowd", "crowd murmur"],
        &[
            one("a crowd", "murmurs", "murmuring"),
            one("a crowd of people", "chatters", "chattering"),
            many("many people", "chatter", "chattering"),
        ],
        &["the murmur of a crowd", "a murmuring crowd", "the chatter of many people"],
        &["crowd*", "murmur*", "chatter*"],
    ),
    texture(
        &["applause", "clapping"],
        &[
            one("an audience", "applauds", "applauding"),
            many("people", "clap", "clapping"),
            many("many hands", "clap", "clapping"),
        ],
        &["applause", "the applause of an audience", "clapping"],
        &["applau*", "clap*"],
    ),
    event(
        &["whistling"],
        &[
            one("a person", "whistles", "whistling"),
            one("someone", "whistles a tune", "whistling a tune"),
            one("a man", "whistles", "whistling"),
        ],
        &["whistling", "the whistling of a tune", "a whistled tune"],
        &["whistl*"],
    ),
    event(
        &["person sneeze", "sneezing", "sneeze"],
        &[
            one("a person", "sneezes", "sneezing"),
            one("someone", "sneezes", "sneezing"),
            one("a man", "sneezes", "sneezing"),
        ],
        &["a sneeze", "the sneeze of a person", "someone's sneeze"],
        &["sneez*"],
    ),
    event(
        &["coughing", "cough"],
        &[one("a person", "coughs", "coughing"), one("someone", "coughs", "coughing")],
        &["coughing", "a person's cough"],
        &["cough*"],
    ),
    texture(
        &["snoring"],
        &[one("a person", "snores", "snoring"), one("someone", "snores", "snoring")],
        &["snoring", "the snoring of a person"],
        &["snor*"],
    ),
    texture(
        &["breathing"],
        &[one("a person", "breathes", "breathing"), one("someone", "breathes", "breathing")],
        &["breathing", "the breathing of a person"],
        &["breath*"],
    ),
    texture(
        &["children playing", "children"],
        &[
            many("children", "play and shout", "playing and shouting"),
            many("kids", "play outside", "playing outside"),
            many("children", "scream and play", "screaming and playing"),
        ],
        &["children at play", "the shouts of children playing", "playing children"],
        &["child*", "kids"],
    ),
    event(
        &["footsteps", "footstep"],
        &[
            one("a person", "walks", "walking"),
            one("someone", "walks along", "walking along"),
            many("footsteps", "are heard", "passing"),
        ],
        &["footsteps", "the footsteps of a person", "the sound of footsteps"],
        &["footstep*", "walk*"],
    ),
    event(
        &["brushing teeth"],
        &[one("a person", "brushes their teeth", "brushing their teeth")],
        &["the brushing of teeth", "tooth brushing"],
        &["teeth", "tooth"],
    ),
    texture(
        &["rain"],
        &[
            one("rain", "falls", "falling"),
            one("rain", "patters on a roof", "pattering on a roof"),
            one("heavy rain", "comes down", "coming down"),
        ],
        &["rainfall", "the patter of rain", "falling rain", "the sound of rain"],
        &["rain*"],
    ),
    event(
        &["thunder", "thunderstorm"],
        &[
            one("thunder", "rumbles", "rumbling"),
            one("thunder", "rolls", "rolling"),
            one("a clap of thunder", "booms", "booming"),
        ],
        &["the rumble of thunder", "rolling thunder", "a roll of thunder"],
        &["clap of thunder", "thunder*"],
    ),
    texture(
        &["wind"],
        &[
            one("the wind", "blows", "blowing"),
            one("wind", "howls", "howling"),
            one("a strong wind", "gusts", "gusting"),
        ],
        &["blowing wind", "the howling of the wind", "gusts of wind"],
        &["wind", "gust*"],
    ),
    texture(
        &["sea waves", "waves"],
        &[
            many("waves", "crash on a shore", "crashing on a shore"),
            many("ocean waves", "roll in", "rolling in"),
            one("the surf", "breaks on a beach", "breaking on a beach"),
        ],
        &["crashing waves", "the surf of the ocean", "the roll of ocean waves"],
        &["waves", "surf", "ocean"],
    ),
    texture(
        &["stream", "brook"],
        &[
            one("a stream", "flows", "flowing"),
            one("a brook", "babbles", "babbling"),
            one("a creek", "gurgles", "gurgling"),
        ],
        &["the gurgling of a stream", "a babbling brook", "a flowing stream"],
        &["stream*", "brook*", "creek*"],
    ),
    event(
        &["water drops", "dripping water"],
        &[
            one("water", "drips", "dripping"),
            many("drops of water", "fall into a basin", "falling into a basin"),
            one("a tap", "drips", "dripping"),
        ],
        &["dripping water", "the drip of a tap", "drops of water"],
        &["drip*", "drops"],
    ),
    event(
        &["pouring water"],
        &[
            one("water", "is poured into a glass", "being poured into a glass"),
            one("someone", "pours a drink", "pouring a drink"),
            one("liquid", "pours into a vessel", "pouring into a vessel"),
        ],
        &["the pouring of water", "pouring liquid", "water poured into a vessel"],
        &["pour*"],
    ),
    texture(
        &["fire crackling", "crackling fire", "fire"],
        &[
            one("a fire", "crackles", "crackling"),
            many("flames", "crackle and pop", "crackling and popping"),
            one("a campfire", "burns", "burning"),
        ],
        &["the crackling of a fire", "a crackling fire", "the crackle of flames"],
        &["fire", "campfire", "flames", "crackl*"],
    ),
    event(
        &["toilet flush"],
        &[one("a toilet", "flushes", "flushing"), one("someone", "flushes", "flushing")],
        &["the flushing of a toilet", "a toilet flush"],
        &["toilet*", "flush*"],
    ),
];
