"""What radiologists, pathologists and microbiologists of the sandbox write. All texts are made up here."""

from __future__ import annotations

from typing import Final

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
IMAGES: Final = (
    Imaging(
        "RTG", examination("SNG0AA", "RG Kne"),
        "Belastede bilder. Lett redusert leddspalte medialt og små randpålagringer. Ingen frie leddlegemer.",
        "Lett medial artrose.", examination("ZTX0XA", "Høyresidig bildediagnostisk undersøkelse"),
    ),
    Imaging(
        "RTG", examination("SGX0AA", "RG Thorax"),
        "Lungene er uten fortetninger. Hjertet har normal størrelse. Ingen pleuravæske og ingen stuvning.",
        "Normale funn.",
    ),
    Imaging(
        "UL", examination("SJX0AK", "UL Abdomen"),
        "Lever med normal størrelse og ekko. Galleblæren inneholder flere konkrementer, det største 9 mm, uten "
        "veggfortykkelse. Gallegangene er slanke. Nyrene er like store, uten hydronefrose.",
        "Gallesteiner uten tegn til betennelse.",
    ),
    Imaging(
        "MR", examination("SNG0AG", "MR Kne"),
        "Horisontal ruptur i mediale menisks bakhorn. Korsbånd og sidebånd er hele. Lett væske i leddet.",
        "Degenerativ ruptur i mediale menisk.",
    ),
)  # fmt: skip

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
TISSUES: Final = (NAEVUS, NAEVUS, BASAL_CELL, COLON_ADENOMA)
