"""What radiologists, pathologists and microbiologists of the sandbox write. All texts are made up here."""

from __future__ import annotations

from typing import Final, NamedTuple

from kjerne.sandbox.reports import Culture, Imaging, Tissue, examination, topography

COLI: Final = Culture(
    "Escherichia coli", ">100 000 CFU/mL", "Vekst av gramnegative staver, identifikasjon pågår",
    (("ampicillin", "R"), ("mecillinam", "S"), ("trimetoprim", "R"), ("nitrofurantoin", "S"),
     ("trimetoprim-sulfa", "I"), ("ciprofloksacin", "S"), ("gentamicin", "S")),
)  # fmt: skip
KLEBSIELLA: Final = Culture(
    "Klebsiella pneumoniae", ">100 000 CFU/mL", "Vekst av gramnegative staver, identifikasjon pågår",
    (("ampicillin", "R"), ("mecillinam", "S"), ("trimetoprim", "S"), ("nitrofurantoin", "R"), ("ciprofloksacin", "S")),
)  # fmt: skip
SAPROPHYTICUS: Final = Culture(
    "Staphylococcus saprophyticus", "10 000 CFU/mL", "Vekst av grampositive kokker, identifikasjon pågår",
    (("trimetoprim", "S"), ("nitrofurantoin", "S"), ("mecillinam", "R")),
)  # fmt: skip
CULTURES: Final = (COLI, COLI, COLI, KLEBSIELLA, SAPROPHYTICUS)

CHEST_INFILTRATE: Final = Imaging(
    "RTG", examination("SGX0AA", "RG Thorax"),
    "Stående bilder i to plan. Det ses fortetning basalt i høyre underlapp med luftbronkogram. Sinus "
    "costodiaphragmaticus er fri på begge sider. Hjertet er ikke forstørret. Ingen stuvning.",
    "Infiltrat i høyre underlapp, forenlig med pneumoni. Kontroll om 6 uker anbefales.",
)  # fmt: skip
CT_CHEST: Final = Imaging(
    "CT", examination("SGX0AD", "CT Thorax"),
    "Undersøkelsen er utført med intravenøs kontrast. Sammenlignet med røntgen thorax fra samme sykdomsforløp.\n\n"
    "Regress av infiltratet i høyre underlapp; det gjenstår et lite strengformet drag basalt, som ved arr. I venstre "
    "overlapp ses en velavgrenset nodulus på 5 mm, uten forkalkning. Ingen forstørrede lymfeknuter mediastinalt eller "
    "i hili. Ingen pleuravæske. Lett kransarterieforkalkning. Øvre abdomen uten påfallende funn; leveren er lett "
    "fettinfiltrert.",
    "Tilbakegang av pneumonisk infiltrat. 5 mm nodulus i venstre overlapp, trolig godartet; ny CT thorax uten kontrast "
    "om 12 måneder foreslås.",
    examination("ZTX0EA", "Intravenøs kontrast"),
)  # fmt: skip
RIGHT, LEFT = (
    examination("ZTX0XA", "Høyresidig bildediagnostisk undersøkelse"),
    examination("ZTX0XB", "Venstresidig bildediagnostisk undersøkelse"),
)
KNEE_X_RAY, KNEE_MR = examination("SNG0AA", "RG Kne"), examination("SNG0AG", "MR Kne")
FOOT, CHEST, ABDOMEN = (
    examination("SNH0AA", "RG Fot"), examination("SGX0AA", "RG Thorax"), examination("SJX0AK", "UL Abdomen"),
)  # fmt: skip


class Seen(NamedTuple):
    """An image with the complaint it was taken for, and whom it is seen in: ages [from_age, to_age) in years, and how often
    beside the others."""

    reason: str
    image: Imaging
    from_age: int
    to_age: int
    weight: int


IMAGES: Final = (
    Seen("Fall, smerter i foten", Imaging(
        "RTG", FOOT, "Ingen frakturlinje. Vekstsonene er upåfallende. Normale leddforhold.", "Ingen påvist skjelettskade.",
        RIGHT,
    ), 3, 15, 4),
    Seen("Fall, smerter i foten", Imaging(
        "RTG", FOOT, "Fin, uforskjøvet bruddlinje i femte metatars' basis. Vekstsonene er åpne.",
        "Uforskjøvet fraktur i femte metatars.", LEFT,
    ), 8, 15, 2),
    Seen("Vridd foten", Imaging(
        "RTG", FOOT, "Ingen brudd. Bløtdelshevelse lateralt. Normale leddspalter.", "Ingen påvist skjelettskade.", LEFT,
    ), 15, 70, 4),
    Seen("Smerter i forfoten", Imaging(
        "RTG", FOOT, "Avsmalnet leddspalte i stortåas grunnledd med små randpålagringer.", "Artrose i stortåas grunnledd.", RIGHT,
    ), 50, 200, 3),
    Seen("Langvarig hoste", Imaging(
        "RTG", CHEST, "Lungene er uten fortetninger. Hjertet har normal størrelse. Ingen pleuravæske og ingen stuvning.",
        "Normale funn.",
    ), 1, 200, 8),
    Seen("Feber og hoste", Imaging(
        "RTG", CHEST, "Fortetning perihilært på høyre side, ellers god luftholdighet. Fri sinus på begge sider.",
        "Infiltrat perihilært på høyre side, som ved pneumoni.",
    ), 1, 15, 2),
    Seen("Tungpust", Imaging(
        "RTG", CHEST, "Hyperinflaterte lunger med avflatet diafragma. Hjertet er ikke forstørret. Ingen fortetninger.",
        "Forandringer som ved kronisk obstruktiv lungesykdom.",
    ), 55, 200, 4),
    Seen("Tungpust og hovne ankler", Imaging(
        "RTG", CHEST, "Lett forstørret hjerte. Fordelt karmarkering til overlappene og litt væske i begge sinus.",
        "Lett forstørret hjerte med tegn til stuvning.",
    ), 65, 200, 4),
    Seen("Magesmerter", Imaging(
        "UL", ABDOMEN, "Lever, galleveier, milt og nyrer er uten påfallende funn. Ingen fri væske.", "Normale funn.",
    ), 4, 200, 6),
    Seen("Magesmerter", Imaging(
        "UL", ABDOMEN, "Flere lymfeknuter i høyre fossa, de største 8 mm. Blindtarmen er slank. Ingen fri væske.",
        "Reaktive lymfeknuter, ingen tegn til blindtarmbetennelse.",
    ), 4, 15, 3),
    Seen("Smerter under høyre ribbensbue", Imaging(
        "UL", ABDOMEN, "Lever med normal størrelse og ekko. Galleblæren inneholder flere konkrementer, det største 9 mm, uten "
        "veggfortykkelse. Gallegangene er slanke. Nyrene er like store, uten hydronefrose.",
        "Gallesteiner uten tegn til betennelse.",
    ), 30, 200, 4),
    Seen("Forhøyede leverprøver", Imaging(
        "UL", ABDOMEN, "Leveren har økt ekko i forhold til nyren, uten fokale forandringer. Galleblæren er uten stein.",
        "Fettlever.",
    ), 35, 200, 4),
    Seen("Flankesmerter", Imaging(
        "UL", ABDOMEN, "Enkel cyste på 22 mm i høyre nyres nedre pol. Ingen stein og ingen hydronefrose.",
        "Enkel nyrecyste, uten behov for kontroll.",
    ), 50, 200, 3),
    Seen("Smerter i kneet", Imaging(
        "RTG", KNEE_X_RAY, "Normale leddspalter. Ingen brudd og ingen frie leddlegemer.", "Normale funn.", LEFT,
    ), 10, 60, 4),
    Seen("Smerter i kneet ved belastning", Imaging(
        "RTG", KNEE_X_RAY, "Belastede bilder. Lett redusert leddspalte medialt og små randpålagringer. Ingen frie leddlegemer.",
        "Lett medial artrose.", RIGHT,
    ), 45, 200, 5),
    Seen("Stivt og smertefullt kne", Imaging(
        "RTG", KNEE_X_RAY, "Belastede bilder. Opphevet leddspalte medialt med subkondral sklerose og kraftige randpålagringer.",
        "Uttalt medial artrose.", LEFT,
    ), 62, 200, 3),
    Seen("Kneskade ved idrett", Imaging(
        "MR", KNEE_MR, "Menisker, korsbånd og sidebånd er hele. Brusken er jevn. Ingen væske i leddet.", "Normale funn.", RIGHT,
    ), 13, 55, 3),
    Seen("Kneskade ved idrett", Imaging(
        "MR", KNEE_MR, "Fullstendig ruptur av fremre korsbånd, benmargsødem lateralt. Meniskene er hele. Væske i leddet.",
        "Ruptur av fremre korsbånd.", LEFT,
    ), 16, 45, 2),
    Seen("Smerter og låsninger i kneet", Imaging(
        "MR", KNEE_MR, "Horisontal ruptur i mediale menisks bakhorn. Korsbånd og sidebånd er hele. Lett væske i leddet.",
        "Degenerativ ruptur i mediale menisk.", RIGHT,
    ), 40, 80, 3),
)  # fmt: skip
"""At every age from `IMAGED_FROM_AGE` something can be seen, and at every age an image can be normal."""
IMAGED_FROM_AGE: Final = 4

COLON_ADENOMA: Final = Tissue(
    "Colon sigmoideum", "Tubulært adenom med lavgradig dysplasi. Fri reseksjonsrand.",
    "Godartet polypp. Koloskopikontroll etter nasjonale retningslinjer.",
    "Stilket polypp, 9 x 7 x 6 mm. Deles i to, alt innstøpes.",
    "Snittene viser tykktarmsslimhinne med tubulært ordnede kjertler og lett forstørrede, avlange kjerner. Ingen "
    "høygradig dysplasi, ingen infiltrerende vekst. Diatermiranden er fri.",
    topography("T67000", "Colon"), topography("M82110", "Tubulært adenom"),
)  # fmt: skip
BASAL_CELL: Final = Tissue(
    "Hud, venstre tinning", "Basalcellekarsinom, nodulær type. Fri reseksjonsrand, minste avstand 3 mm.",
    "Fullstendig fjernet.",
    "Hudbit 14 x 8 mm med en perlemorsglinsende knute på 5 mm. Randen er merket.",
    "Reder av basaloide celler med palissadestilte kjerner i periferien og kløfter mot stroma. Ingen "
    "perinevral innvekst.",
    topography("T01000", "Hud"), topography("M80903", "Basalcellekarsinom"),
)  # fmt: skip
NAEVUS: Final = Tissue(
    "Hud, rygg", "Benignt intradermalt nevus.", "Godartet. Ingen videre behandling.",
    "Hudbit 8 x 6 mm med en brun, hvelvet lesjon på 4 mm.",
    "Dermale reder av modne nevusceller uten atypi. Fri rand.",
    topography("T01000", "Hud"), topography("M87500", "Intradermalt nevus"),
)  # fmt: skip
TISSUES: Final = ((NAEVUS, 18, 2), (BASAL_CELL, 50, 1), (COLON_ADENOMA, 45, 1))
"""With the age from which each is found, and how often beside the others."""
