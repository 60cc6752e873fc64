//! Words for engines, alarms, tools, impacts, bells and instruments.

use super::entry::{Entry, event, many, one, texture};

pub(super) const THINGS: &[Entry] = &[
    texture(
        &["engine idling", "engine", "car engine"],
        &[
            one("an engine", "idles", "idling"),
            one("a car engine", "runs", "running"),
            one("an engine", "hums steadily", "humming steadily"),
        ],
        &["the idling of an engine", "an idling engine", "the hum of a car engine"],
        &["engine*", "idl*"],
    ),
    texture(
        &["motorcycle"],
        &[
            one("a motorcycle", "revs", "revving"),
            one("a motorbike", "roars", "roaring"),
            one("a motorcycle", "accelerates", "accelerating"),
        ],
        &["the revving of a motorcycle", "a revving motorbike", "the roar of a motorcycle"],
        &["motorcycle*", "motorbike*"],
    ),
    texture(
        &["helicopter"],
        &[
            one("a helicopter", "flies overhead", "flying overhead"),
            one("a helicopter", "hovers", "hovering"),
            many("helicopter rotors", "spin", "spinning"),
        ],
        &["the whirr of a helicopter", "helicopter rotors", "a helicopter in flight"],
        &["helicopter*", "rotor*"],
    ),
    texture(
        &["train"],
        &[
            one("a train", "passes", "passing"),
            one("a train", "rattles over the tracks", "rattling over the tracks"),
            one("a train", "rolls along the rails", "rolling along the rails"),
        ],
        &["the clatter of a train", "a passing train", "a train on the tracks"],
        &["train", "trains", "rails", "tracks"],
    ),
    texture(
        &["airplane", "aeroplane", "plane"],
        &[
            one("an airplane", "flies overhead", "flying overhead"),
            one("a jet", "roars past", "roaring past"),
            one("a plane", "passes over", "passing over"),
        ],
        &["the roar of a jet", "a passing plane", "the drone of an airplane"],
        &["airplane*", "plane", "jet"],
    ),
    texture(
        &["vacuum cleaner"],
        &[
            one("a vacuum cleaner", "runs", "running"),
            one("a vacuum cleaner", "hums", "humming"),
            one("someone", "vacuums a floor", "vacuuming a floor"),
        ],
        &["the hum of a vacuum cleaner", "a running vacuum cleaner", "vacuuming"],
        &["vacuum*"],
    ),
    texture(
        &["air conditioner", "air conditioning"],
        &[
            one("an air conditioner", "hums", "humming"),
            one("an air conditioner", "runs", "running"),
            one("an air conditioning unit", "drones", "droning"),
        ],
        &["the hum of an air conditioner", "a droning air conditioner"],
        &["air conditioner*", "air conditioning"],
    ),
    texture(
        &["washing machine"],
        &[
            one("a washing machine", "runs", "running"),
            one("a washing machine", "churns", "churning"),
        ],
        &["the churning of a washing machine", "a running washing machine"],
        &["washing machine*"],
    ),
    texture(
        &["siren"],
        &[
            one("a siren", "wails", "wailing"),
            one("an emergency siren", "sounds", "sounding"),
            one("a siren", "blares", "blaring"),
        ],
        &["the wail of a siren", "a wailing siren", "an emergency siren"],
        &["siren*"],
    ),
    event(
        &["alarm beep", "clock alarm", "alarm"],
        &[
            one("an alarm", "beeps", "beeping"),
            one("an electronic alarm", "goes off", "going off"),
            many("high beeps", "sound", "sounding"),
        ],
        &["the beeping of an alarm", "a beeping alarm", "electronic beeps"],
        &["alarm*", "beep*"],
    ),
    event(
        &["telephone", "phone"],
        &[
            one("a telephone", "rings", "ringing"),
            one("a phone", "rings", "ringing"),
            one("a telephone bell", "jangles", "jangling"),
        ],
        &["the ringing of a telephone", "a ringing phone", "the ring of a telephone"],
        &["telephone*", "phone*"],
    ),
    event(
        &["car horn"],
        &[
            one("a car", "honks", "honking"),
            one("a car horn", "blares", "blaring"),
            one("a horn", "honks", "honking"),
        ],
        &["the honking of a car horn", "a honking car", "car horns"],
        &["honk*", "horn", "horns"],
    ),
    event(
        &["hammering", "hammer"],
        &[
            one("a hammer", "strikes a nail", "striking a nail"),
            one("someone", "hammers", "hammering"),
            one("a worker", "hammers on metal", "hammering on metal"),
        ],
        &["hammering", "the blows of a hammer", "hammer strikes"],
        &["hammer*"],
    ),
    event(
        &["hand saw", "sawing"],
        &[
            one("someone", "saws wood", "sawing wood"),
            one("a hand saw", "cuts through a plank", "cutting through a plank"),
            one("a carpenter", "saws", "sawing"),
        ],
        &["sawing", "the rasp of a hand saw", "the sawing of wood"],
        &["saw", "saws", "sawing"],
    ),
    texture(
        &["chainsaw"],
        &[
            one("a chainsaw", "cuts wood", "cutting wood"),
            one("a chainsaw", "roars", "roaring"),
            one("a chainsaw", "runs", "running"),
        ],
        &["the roar of a chainsaw", "a running chainsaw", "the buzzsaw drone of a chainsaw"],
        &["chainsaw*", "buzzsaw drone"],
    ),
    texture(
        &["drilling", "drill"],
        &[
            one("a drill", "whines", "whining"),
            one("a power drill", "runs", "running"),
            one("someone", "drills into a wall", "drilling into a wall"),
        ],
        &["the whine of a drill", "drilling", "a whining power drill"],
        &["drill*"],
    ),
    texture(
        &["jackhammer"],
        &[
            one("a jackhammer", "pounds", "pounding"),
            one("a jackhammer", "breaks up concrete", "breaking up concrete"),
            one("a jackhammer", "rattles", "rattling"),
        ],
        &["the pounding of a jackhammer", "a rattling jackhammer"],
        &["jackhammer*"],
    ),
    event(
        &["glass clink"],
        &[
            many("glasses", "clink", "clinking"),
            one("a glass", "clinks", "clinking"),
            one("a wine glass", "is struck", "being struck"),
        ],
        &["the clink of glasses", "clinking glasses", "a clink of crystal"],
        &["clink*", "wine glass"],
    ),
    event(
        &["glass breaking"],
        &[
            one("a window", "shatters", "shattering"),
            one("a pane of glass", "shatters", "shattering"),
        ],
        &["the shattering of a window", "shattering glass"],
        &["shatter*"],
    ),
    event(
        &["door knock", "door wood knock", "knocking"],
        &[
            one("someone", "knocks on a door", "knocking on a door"),
            one("a person", "knocks on wood", "knocking on wood"),
            one("a visitor", "raps at a door", "rapping at a door"),
        ],
        &["a knock on a door", "knocking on a wooden door", "knocks at a door"],
        &["knock*", "raps", "rapping"],
    ),
    event(
        &["door creak", "door wood creaks"],
        &[one("a door", "creaks", "creaking"), one("a hinge", "creaks", "creaking")],
        &["the creak of a door", "a creaking hinge"],
        &["creak*"],
    ),
    event(
        &["gun shot", "gunshot"],
        &[
            one("a gun", "fires", "firing"),
            one("a gunshot", "rings out", "ringing out"),
            one("a shot", "is fired", "being fired"),
        ],
        &["a gunshot", "the shot of a gun", "gunfire"],
        &["gun*", "shot"],
    ),
    event(
        &["fireworks"],
        &[many("fireworks", "explode", "exploding"), many("fireworks", "go off", "going off")],
        &["fireworks", "exploding fireworks"],
        &["firework*"],
    ),
    event(
        &["keyboard typing", "typing", "keyboard"],
        &[
            one("someone", "types on a keyboard", "typing on a keyboard"),
            one("a person", "types", "typing"),
            many("the keys of a keyboard", "click", "clicking"),
        ],
        &["typing on a keyboard", "the clicking of a keyboard", "keyboard typing"],
        &["typ*", "keyboard*"],
    ),
    event(
        &["mouse click"],
        &[one("a computer mouse", "clicks", "clicking")],
        &["the click of a computer mouse", "computer mouse clicks"],
        &["mouse"],
    ),
    event(
        &["can opening"],
        &[one("a can", "is opened", "being opened"), one("a soda can", "pops", "popping")],
        &["the opening of a soda can", "the hiss of an opened can"],
        &["soda can", "a can is opened", "a can being opened", "opened can"],
    ),
    texture(
        &["clock tick", "clock"],
        &[
            one("a clock", "ticks", "ticking"),
            one("a clock", "ticks steadily", "ticking steadily"),
            one("a pendulum clock", "ticks", "ticking"),
        ],
        &["the ticking of a clock", "a ticking clock", "the tick of a clock"],
        &["clock", "clocks", "tick*"],
    ),
    event(
        &["church bell", "church bells", "bell"],
        &[
            one("a church bell", "tolls", "tolling"),
            many("church bells", "ring", "ringing"),
            one("a large bell", "tolls", "tolling"),
        ],
        &["the tolling of a church bell", "ringing church bells", "the toll of a large bell"],
        &["church bell*", "large bell", "toll*"],
    ),
    event(
        &["bicycle bell"],
        &[
            one("a bicycle bell", "rings", "ringing"),
            one("a cyclist", "rings a bell", "ringing a bell"),
            one("a bike bell", "dings", "dinging"),
        ],
        &["the ring of a bicycle bell", "a bicycle bell", "the ding of a bike bell"],
        &["bicycle*", "bike*", "cyclist*"],
    ),
    event(
        &["piano"],
        &[
            one("a piano", "plays", "playing"),
            one("someone", "plays a piano", "playing a piano"),
            one("a melody", "is played on a piano", "being played on a piano"),
        ],
        &["piano notes", "the notes of a piano", "a tune on a piano"],
        &["piano*"],
    ),
    event(
        &["guitar"],
        &[
            one("a guitar", "is strummed", "being strummed"),
            one("someone", "plays a guitar", "playing a guitar"),
            one("a guitarist", "plucks strings", "plucking strings"),
        ],
        &["the strumming of a guitar", "guitar notes", "the plucking of a guitar"],
        &["guitar*"],
    ),
    texture(
        &["drums", "drum"],
        &[
            many("drums", "beat", "beating"),
            one("a drummer", "plays", "playing"),
            one("a drum kit", "is played", "being played"),
        ],
        &["a drum beat", "the beat of drums", "drumming"],
        &["drum*"],
    ),
    texture(
        &["street music"],
        &[
            one("music", "plays in the street", "playing in the street"),
            one("a street band", "performs", "performing"),
            many("street musicians", "play", "playing"),
        ],
        &["street music", "the music of a street band", "music on a street"],
        &["music*", "street band"],
    ),
];
