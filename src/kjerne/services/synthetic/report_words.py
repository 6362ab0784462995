"""How each part of a report is to be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HOW: Final[Mapping[str, str]] = {
    "Gates": (
        "A gate passes where its figure is at most the limit; a figure that could not be had does not pass. The command "
        "that made this page ends with exit code 1 where a gate does not pass, and no model of real people is approved "
        "then."
    ),
    "Attacks on people": (
        "Somebody has all made people, knows something of a person, and attacks. Singling out: he describes one made "
        "person so that no other fits, and hopes that the description fits exactly one person learned from. Linkage: he "
        "has two halves of records and joins those that lie near the same made people. Inference: he knows all of "
        "somebody but one thing, and guesses it from the nearest made person. The same is tried on as many people held "
        "out, of whom made people can tell only what is true of people in general. The risk is the part of what fails on "
        "those that succeeds on people learned from: 0 says that the made people tell nothing of who was learned from, 1 "
        "that they tell all. The gate takes the upper end of the interval (95 %), so few people seldom pass it, and of "
        "inference also the lower end for each single secret. Where an attack on people learned from succeeds no oftener "
        "than guessing, it is weak and says nothing."
    ),
    "Membership": (
        "Was this person learned from? The area says how often an attack puts somebody learned from before somebody held "
        "out: 0.5 is a coin. The first attack goes by the nearest made person alone. The second knows how near each lies "
        "to what models make that never saw her (shadow models), and so finds more. Beside it stands how many of those "
        "learned from are found while one in a hundred of those held out is taken for one: 0.01 is chance. Both look at "
        "made people and not into the model's file, which tells more."
    ),
    "Survival": (
        "The line in its band (95 %): people held out. Dashes: made people. Asked are those without it on day 0, until "
        "they have it or are followed no more. Dashes that leave the band for long say that made people have it too early "
        "or too late."
    ),
    "Subgroups": (
        "Each part of the population by itself. The distance of codes is between made people and those held out; beside "
        "it stands what two samples of real people differ by, which is chance: a group whose distance is far above that "
        "is made worse than others. The areas say how well the named target is told within the group by trees that "
        "learned from made and from real people."
    ),
    "Long tail": (
        "What fewer than one in a hundred real people have. Codes of too few people are never learned, so made people "
        "have fewer kinds of rare things than real ones: expected is what as many real people would have. A share of "
        "values below and above the real ends that is near that of real people says that the extremes are there."
    ),
    "How common codes are": (
        "A dot for each code: on the line it is as common among made people as among those held out."
    ),
    "Fidelity": (
        "Area of what told made people from those held out: 0.5 says that it cannot tell, 1 that it always can; what it "
        "went by is where the model is weakest. Below: how much worse is predicted by what was learned from made people "
        "than from as many real ones."
    ),
    "Shapes": (
        "Pictures: filled are those held out, the line those made; where it follows the bars the distribution is the "
        "same. Tables: quartiles of those held out and of those made, shares who lack it, and the greatest distance of "
        "the two distributions (0: none; two samples of 2,000 real people differ by some 0.04)."
    ),
}
