/* prose.c - the project's own words and sentences: what the byte-level tasks hide things in, and what they hide. */
#include "tools/tasks/task.h"

const char *const prose_words[] = {
    "amber", "ancient", "autumn", "bold", "brave", "brief", "bright", "broad", "calm", "careful", "clear", "clever",
    "cold", "common", "crisp", "curious", "dark", "deep", "dry", "eager", "early", "empty", "even", "faint", "fair",
    "fast", "fierce", "fine", "firm", "free", "fresh", "gentle", "golden", "grand", "grey", "happy", "hidden", "hollow",
    "honest", "humble", "idle", "keen", "kind", "late", "light", "little", "lively", "lonely", "loud", "lucky",
    "mellow", "mild", "narrow", "neat", "noble", "odd", "open", "pale", "patient", "plain", "polite", "proud", "quick",
    "quiet", "rapid", "rare", "ready", "rough", "round", "royal", "sharp", "short", "silent", "simple", "slow",
    "smooth", "soft", "steady", "warm", "young",
    "acorn", "anchor", "apple", "arrow", "barn", "basket", "beacon", "bell", "bench", "bird", "boat", "book", "bottle",
    "branch", "brass", "bread", "bridge", "brook", "bucket", "button", "cabin", "candle", "canvas", "carpet", "castle",
    "cedar", "chair", "chalk", "cherry", "chest", "circle", "clay", "clock", "cloud", "clover", "coast", "coin",
    "copper", "corner", "cotton", "cradle", "crane", "crown", "desk", "door", "dragon", "drum", "eagle", "engine",
    "falcon", "farm", "feather", "fence", "fern", "field", "flame", "flute", "forest", "fountain", "fox", "garden",
    "gate", "glass", "glove", "grain", "grove", "hammer", "harbour", "harp", "hat", "hedge", "hill", "honey", "horse",
    "house", "island", "ivy", "jacket", "jar", "jewel", "kettle", "key", "kitchen", "kite", "ladder", "lake", "lamp",
    "lantern", "leaf", "lemon", "letter", "lily", "lion", "lock", "loom", "map", "maple", "market", "meadow", "mill",
    "mirror", "moon", "moss", "needle", "nest", "oak", "ocean", "orchard", "oven", "owl", "paddle", "paper", "path",
    "pearl", "pebble", "pencil", "piano", "pillow", "pine", "plate", "pocket", "pond", "quilt", "raft", "rain",
    "ribbon", "ring", "river", "road", "robin", "rope", "rose", "saddle", "sail", "salt", "sand", "school", "shell",
    "shoe", "silver", "smoke", "snow", "spoon", "spring", "stone", "storm", "table", "tower", "train",
    "answer", "arrive", "bake", "bend", "borrow", "bring", "build", "carry", "catch", "choose", "climb", "count",
    "cover", "cross", "dance", "draw", "dream", "drift", "drink", "enter", "fetch", "find", "float", "follow", "forget",
    "gather", "give", "grow", "guide", "hold", "hurry", "invite", "join", "jump", "keep", "laugh", "learn", "lend",
    "listen", "measure", "mend", "notice", "offer", "order", "paint", "plant", "pour", "promise", "reach", "read",
    "repair", "rest", "return", "ride", "row", "search", "send", "settle", "share", "shine", "sing", "sleep", "speak",
    "spend", "stand", "start", "swim", "teach", "tell", "think", "travel", "turn", "visit", "wait", "wake", "walk",
    "watch", "weave", "whisper", "wonder",
};
const int prose_n_words = sizeof prose_words / sizeof *prose_words;

/* Written for this project; plain statements, so that nothing in them reads like a needle. */
const char *const prose_sentences[] = {
    "The harbour wakes before the town does.", "Fishermen sort their nets while the light is still grey.",
    "By seven the baker has sold the first trays of bread.", "A cart of apples stands in front of the school.",
    "The clock on the tower has been five minutes late for years.", "Nobody corrects it, because everybody knows.",
    "In summer the river is low and children cross it on stones.", "In winter the same stones lie under ice.",
    "The miller keeps a book in which he writes down the weather.", "His father kept one too, and his grandfather.",
    "Most of its pages say that it rained.", "A path leads from the mill to the orchard on the hill.",
    "Halfway up there is a bench with a view over the fields.", "Two old friends meet there on Sundays.",
    "They talk about ships, seeds and the price of wool.", "When the wind turns, they walk home by the lower road.",
    "The library has one room and a stove.", "People come for the stove and stay for the books.",
    "The librarian mends torn pages with thin paper and patience.", "She can find any volume with her eyes closed.",
    "Behind the church a gardener grows beans and tall yellow flowers.",
    "He claims that the flowers keep the birds company.",
    "On market days the square is full of voices.", "A man sells kettles that he has repaired himself.",
    "A woman sells honey in small brown jars.", "Dogs sleep under the tables and dream of sausages.",
    "At noon the bell rings twelve times and the square grows quiet.",
    "Soup is eaten slowly in the shade of the walls.",
    "In the afternoon the carpenter shows his work.", "His chairs have no nails and last longer than those that have.",
    "He says that wood remembers the tree it came from.", "The teacher says that wood remembers nothing at all.",
    "They have argued about it since they were boys.", "The train stops here twice a day.",
    "It brings letters, newspapers and now and then a visitor.", "Visitors ask for the way to the sea.",
    "The sea is not far, but the road has many bends.", "From the last bend one can see the lighthouse.",
    "Its keeper paints the door every spring.", "The colour is never quite the same as the year before.",
    "At night the beam passes over the roofs like a slow thought.",
    "Those who cannot sleep count the seconds between two flashes.",
    "There are nine of them, and there have always been nine.",
    "A cat walks along the wall and knows every loose tile.",
    "Rain is heard first on the tin roof of the workshop.", "Then it is heard everywhere.",
    "The gutters sing, and the street becomes a small brook.", "In the morning the puddles hold pieces of the sky.",
    "Somebody sweeps the steps of the inn.", "Somebody else carries wood.",
    "The innkeeper has a map of the world with pins in it.", "Each pin is a guest who promised to write.",
    "About half of them did.", "The others, he says, are still looking for a good pen.",
    "When the first frost comes, the windows grow flowers of their own.",
    "The children breathe on them and look out through the holes.",
    "Evenings are long then, and stories are told more than once.", "Nobody minds, for they change a little each time.",
};
const int prose_n_sentences = sizeof prose_sentences / sizeof *prose_sentences;

const char prose_noise[] = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

const char *prose_adjective(struct random *r) { return prose_words[random_below(r, PROSE_ADJECTIVES)]; }
const char *prose_noun(struct random *r) { return prose_words[PROSE_ADJECTIVES + random_below(r, PROSE_NOUNS)]; }
