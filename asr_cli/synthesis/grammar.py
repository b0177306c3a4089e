"""Sentences of a closed domain: times, dates, journeys, meetings, shopping, the weather, numbers.

A small vocabulary that says very many different things: enough for a small recogniser to learn from speech that was
synthesised, and to be tested with sentences that it never read.
"""

import hashlib
import random
import re
from collections.abc import Mapping

# A line is a symbol and what it may stand for; "2 *" makes an alternative twice as likely.
GRAMMAR = """
sentence: 3 * <appointment> | 3 * <journey> | 3 * <weather> | 3 * <shopping> | 2 * <home> | 2 * <question> | 2 * <work>
sentence: 2 * <number> | 2 * <date> | <clock> | <courtesy> | 2 * <visit> | <money> | <message>

appointment: please call <person> <when> | <person> will <meet> <person> <when> | <subject> can meet <object> <when>
appointment: the <meeting> with <person> <is> <when> | the <meeting> starts <at> and ends at <hour>
appointment: <move> the <meeting> to <when2>
appointment: can we <move2> the <meeting> to <day> <part> | <subject> have a <meeting> <when>
appointment: <subject> need to see the doctor <when>
appointment: cancel my <meeting> with <person> <when> | remind me to call <person> <when> | wake me up <at> <tomorrow>

journey: the <vehicle> to <city> leaves <when> | the <vehicle> from <city> arrives <when>
journey: <person> goes to <city> by <vehicle>
journey: the <vehicle> from <city> to <city> takes <count> <hours> | <subject> want to travel to <city> <when>
journey: a <class> ticket to <city> please | <count> tickets from <city> to <city> <when>
journey: the <vehicle> leaves from <gate>
journey: the <vehicle> to <city> is <count> minutes late | the <vehicle> to <city> is late
journey: <person> will drive to <city> <when>
journey: turn <side> at the <place> and go over the bridge | the <place> is near the <place>
journey: it is <count> miles from <city> to <city>
journey: take the <vehicle> to the <place> | <subject> will be at the <place> <at>
journey: <person> is waiting for you at the <place>

weather: it will be <sky> <whenday> | it will be <sky> and <sky> <whenday> | it is <sky> in <city> <today>
weather: it was <sky> in <city> yesterday
weather: the weather in <city> is <sky> | <rain> is coming from the <compass> | there will be <rain> in <city> <whenday>
weather: it is <count> degrees in <city> | it was <sky> and <sky> in the <compass>
weather: the <compass> wind is <strong> <today>
weather: will it <fall> in <city> <whenday> | take your coat because it is <sky> | the summer in <city> is <sky>
weather: the winter was <sky>

shopping: <subject> need <goods> | please buy <goods> and <goods> | <subject> want to buy <goods>
shopping: <goods> and <goods> please
shopping: the <thing> costs <price> | how much is the <thing> | do you have <adjective> <plural>
shopping: the <color> <thing> is too <big>
shopping: <subject> would like <goods> and <goods> | can <subject> have <goods> <with> | put <goods> on the list
shopping: there is no <food> left
shopping: the <color> <thing> is <cheap> than the <color> <thing> | <person> paid <price> for the <color> <thing>
shopping: <goods> <goods> and <goods>

home: turn <on> the <light> in the <room> | please <open> the <door> | the <light> in the <room> is <on>
home: play some music in the <room>
home: <person> is in the <room> | the keys are <under> the <furniture> | where are my <plural>
home: set an alarm for <clocktime> | dinner is ready | the <color> <thing> is <under> the <furniture>
home: <person> left the <thing> in the <room>

question: what time is it in <city> | what is the weather like in <city> | when does the <vehicle> to <city> leave
question: where is the <place>
question: who is coming to the <meeting> <when> | how far is it to <city> | how many <plural> do you have
question: how long does the <vehicle> take
question: do you know where <person> lives | why is the <vehicle> late | did <person> call <whenpast>
question: which <vehicle> goes to <city>
question: is <person> in the <place> | is there a <place> near the <place> | can you tell me the way to the <place>
question: what is the price of the <thing>

work: <person> will write the report <when> | please send the <letter> to <person> | <person> works in <city>
work: the <letter> from <person> is on the <furniture>
work: read the <letter> to me | the team has <count> people | <person> sold <count> <plural>
work: the project ends in <month> | <subject> must finish the <letter> <when>
work: the new <boss> is <person> | ask <person> about the <letter> | the <boss> wants to see <object> <when>

number: my number is <digits> | room <digits3> | call <digits> | page <count> | <digits>
number: <person> has number <digits3> | <count> and <count> make <count> | the house has number <count>
number: flight <digits3> to <city>

date: today is <weekday> the <ordinal> of <month> | <person> was born on the <ordinal> of <month>
date: the <meeting> is on <month> <ordinal>
date: <weekday> <month> the <ordinal> | the <ordinal> of <month> is a <weekday>
date: the shop is closed from <weekday> to <weekday> | from <month> to <month>
date: school starts on the <ordinal> of <month> | <person> is here until <weekday> | my holiday is in <month>
date: in <month> twenty <teen>

clock: it is <clocktime> | it is almost <clocktime> | the shop opens at <hour> | the time is <clocktime>

courtesy: good <part> <person> | thank you <person> | thank you very much <person> | hello my name is <first> <last>
courtesy: how are you <person> | yes please <person>
courtesy: no thank you <person> | see you <when> | <person> sends you <poss> love | sorry that <subject2> late
courtesy: this is <person> speaking

visit: <person> and <person> live in <city> | <person> has <count> children | <poss> <family> lives in <city>
visit: <poss> <family> is <count> years old
visit: <poss> <family> will visit <object> <when> | <person> likes <food> with <food> | we ate <food> in the <place>
visit: <poss> <family> and <poss> <family> went to <city>
visit: <poss> <family> bought a <color> <thing> in <city> | <person> is the <family> of <person>
visit: <person> plays music in the <place> <when>

money: that is <price> | the ticket costs <price> | <person> gave me <price> | please pay <price> <whenday>
money: send <price> to <person>

message: tell <person> that <subject2> at the <place> | tell <person> the <vehicle> is late
message: <person> says the <place> is closed <whenday>
message: write to <person> that the <meeting> is <when2> | leave a message for <person> at the <place>
message: <person> said <pronoun> would come <when>

person: 3 * <title> <last> | 4 * <first> | <first> <last> | <poss> <family>
title: 3 * mister | 3 * missus | doctor | miss
first: anna | peter | maria | john | david | laura | thomas | emma | sarah | daniel | helen | michael
last: brown | smith | miller | jones | taylor | wilson | clark | young | baker | white | green | martin
family: mother | father | brother | sister | friend | wife | son | daughter
poss: 4 * my | 2 * your | his | her | 2 * our | their
subject: 4 * i | 3 * we | they | you
subject2: i am | we are | they are | you are
pronoun: he | she | they
object: me | you | him | her | us | them
meet: meet | call | see | visit | help

city: boston | london | paris | rome | berlin | madrid | tokyo | sydney | dublin | vienna | chicago | denver | dallas
city: oxford | cambridge
city: oslo | lisbon | geneva | toronto | new york
place: station | airport | hotel | office | library | museum | hospital | school | bank | market | park | restaurant
place: church | post office | river | garden
vehicle: 4 * train | 3 * bus | 2 * plane | taxi | boat | flight
class: first class | second class | cheap
gate: gate <small> | platform <small>
side: left | right
compass: north | south | east | west

when: 3 * <day> | 3 * <day> <part> | 2 * <at> | 3 * <day> <at> | <today> | 2 * tomorrow | tomorrow <part>
when: on the <ordinal> of <month> | in <count> <hours> | next <unit>
when2: <day> <part> | <clocktime> | tomorrow <part> | next <weekday> | the <ordinal> of <month>
whenday: 2 * <today> | 2 * tomorrow | <day> | tomorrow <part> | this <part> | next <unit>
whenpast: yesterday | last <weekday> | last <unit> | this <part>
tomorrow: tomorrow | on <weekday> | today
today: 2 * today | tonight | this <part> | now
day: 4 * on <weekday> | next <weekday> | this <weekday>
weekday: monday | tuesday | wednesday | thursday | friday | saturday | sunday
part: 2 * morning | 2 * afternoon | 2 * evening | night
unit: week | month | year | weekend
month: january | february | march | april | may | june | july | august | september | october | november | december
is: is | is not
at: at <clocktime> | before <hour> | after <hour> | 2 * at <hour>
hours: hours | minutes | days | weeks | months
hour: 12 * <oneto12> | noon | midnight
clocktime: 4 * <oneto12> | 3 * half past <oneto12> | 2 * a quarter past <oneto12> | 2 * a quarter to <oneto12>
clocktime: <minutes> past <oneto12>
clocktime: <minutes> to <oneto12> | 2 * <oneto12> <minutes> | <oneto12> in the <part> | noon | midnight
minutes: five | ten | twenty | twenty five | fifteen | forty | fifty five
oneto12: one | two | three | four | five | six | seven | eight | nine | ten | eleven | twelve
ordinal: first | second | third | fourth | fifth | sixth | seventh | eighth | ninth | tenth | eleventh | twelfth
ordinal: thirteenth | fourteenth | fifteenth
ordinal: sixteenth | seventeenth | eighteenth | nineteenth | twentieth | thirtieth | 5 * twenty <ordinal9>
ordinal: thirty first
ordinal9: first | second | third | fourth | fifth | sixth | seventh | eighth | ninth

count: 4 * <small> | 4 * <teen> | 4 * <tens> | 6 * <tens> <digit9> | <digit9> hundred | <digit9> hundred and <small>
count: a hundred | <digit9> thousand
small: two | three | four | five | six | seven | eight | nine | ten
teen: eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen | eighteen | nineteen
tens: twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety
digit9: one | two | three | four | five | six | seven | eight | nine
digit: zero | one | two | three | four | five | six | seven | eight | nine
digits3: <digit> <digit> <digit> | <digit9> <digit>
digits: <digit> <digit> <digit> <digit> | <digits3> <digits3> | <digits3> <digit> <digit> <digits3>
price: 3 * <count> <currency> | <count> <currency> <count> | <count> <cents> | <count> <currency> and <count> <cents>
currency: 3 * dollars | 2 * euros | 2 * pounds
cents: cents

sky: cold | warm | hot | rainy | sunny | cloudy | windy | foggy | dry | wet
rain: rain | snow | a storm | fog | wind | sun
strong: strong | cold | warm
fall: rain | snow | be <sky>

food: bread | milk | butter | cheese | rice | fish | chicken | sugar | coffee | tea | water | wine
goods: <measure> of <food> | <small> <plural> | some <food> | <food> | a <color> <thing> | <count> <plural>
measure: a bottle | a box | a bag | a cup | <small> bottles | <small> boxes | <small> cups | a kilo | half a kilo
plural: apples | oranges | eggs | potatoes | shoes | books | tickets | bags
thing: shirt | coat | hat | book | bag | car | phone | table | computer | watch
color: red | blue | green | black | white | yellow | brown | new | old | small
adjective: red | yellow | big | small | good
big: big | small | expensive | long
cheap: cheaper | better | bigger | smaller
with: with milk | for lunch | for dinner | for breakfast | today

light: light | lamp | radio | computer
on: on | off
open: open | close
door: door | window | <color> door | door of the <room>
room: kitchen | bedroom | garden | living room | office
furniture: table | bed | chair
under: under | on | next to
meeting: 3 * meeting | lunch | party | lesson | game | dinner
move: move | change
move2: move | change
letter: letter | report | message | book | list
boss: manager | teacher | doctor
"""


def parsed(grammar: str) -> dict[str, list[tuple[int, str]]]:
    rules: dict[str, list[tuple[int, str]]] = {}
    for line in filter(None, grammar.splitlines()):
        symbol, alternatives = line.split(": ", 1)
        for alternative in alternatives.split(" | "):
            weight, star, words = alternative.rpartition(" * ")
            rules.setdefault(symbol, []).append((int(weight) if star else 1, words))
    return rules


RULES: Mapping[str, list[tuple[int, str]]] = parsed(GRAMMAR)
SYMBOL = re.compile(r"<(\w+)>")
# Of a hundred sentences those that nobody is trained with: the others belong to "train".
SHARES = {"valid": range(88, 92), "test": range(92, 100)}
LONGEST = 14


def sentence(chance: random.Random, share: str) -> str:
    """A sentence of 2 to 14 words, lower case, of the share "train", "valid" or "test": no two share a sentence."""
    while True:
        words = expand("sentence", chance)
        if 2 <= words.count(" ") + 1 <= LONGEST and share_of(words) == share:
            return words


def expand(symbol: str, chance: random.Random) -> str:
    weights, alternatives = zip(*RULES[symbol], strict=True)
    chosen = chance.choices(alternatives, weights)[0]
    return SYMBOL.sub(lambda match: expand(match[1], chance), chosen)


def share_of(words: str) -> str:
    """By the sentence alone, so that no list of what was trained with need be kept."""
    place = hashlib.blake2b(words.encode(), digest_size=4)
    bucket = int.from_bytes(place.digest(), "big") % 100
    return next((share for share, buckets in SHARES.items() if bucket in buckets), "train")


def vocabulary() -> list[str]:
    """Every word there is, sorted."""
    texts = (SYMBOL.sub(" ", words) for alternatives in RULES.values() for _, words in alternatives)
    return sorted({word for text in texts for word in text.split()})


def count(symbol: str = "sentence") -> int:
    """How many ways there are through the grammar; some of them say the same."""
    total = 0
    for _, words in RULES[symbol]:
        ways = 1
        for inner in SYMBOL.findall(words):
            ways *= count(inner)
        total += ways
    return total
