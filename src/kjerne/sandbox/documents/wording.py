"""What doctors of the sandbox write, by the reason that stands on the requisition. All texts are made up here."""

from __future__ import annotations

from typing import Final, NamedTuple

from kjerne.sandbox.documents.paper import ICD, ICPC, Part
from kjerne.svarrapport import Code


class Visit(NamedTuple):
    """A contact with the general practitioner."""

    why: str
    found: str
    judged: str
    plan: str
    code: Code


class Stay(NamedTuple):
    """A stay in hospital, or a contact with its outpatient clinic where `days` is 0."""

    why: str
    found: str
    course: str
    plan: str
    code: Code
    days: int
    medicines: tuple[tuple[str, str], ...] = ()

    @property
    def works_not(self) -> bool:
        """Whether somebody of an age to work is on sick leave after it."""
        return self.days > 0 and not self.code.value.startswith("O")


def _icpc(value: str, name: str) -> Code:
    return Code(value, name, ICPC)


def _icd(value: str, name: str) -> Code:
    return Code(value, name, ICD)


DIABETES: Final = Visit(
    "Kommer til avtalt kontroll for type 2-diabetes. Føler seg bra, måler blodsukker noen ganger i uken. Ingen følinger. Går "
    "tur de fleste dager. Røyker ikke.",
    "{vitals} Føtter: varme, palpable pulser, normal sensibilitet for monofilament, ingen sår.",
    "Diabetes type 2 uten tegn til nye komplikasjoner. HbA1c og øvrige prøver se under.",
    "Fortsetter metformin. Kostråd gjentatt. Øyebunnsfotografering hvert annet år. Ny kontroll om 3 måneder.",
    _icpc("T90", "Diabetes type 2"),
)
ANAEMIA: Final = Visit(
    "Kontroll av jernmangel. Tar jerntabletter annenhver dag, tåler dem bedre nå. Noe mer overskudd.",
    "{vitals} Slimhinner lett bleke. Buk bløt og uøm.",
    "Jernmangelanemi under behandling. Hb og ferritin se under.",
    "Fortsetter jern i 3 måneder etter at Hb er normal. Ny prøve om 10 uker.",
    _icpc("B80", "Jernmangelanemi"),
)
KIDNEY: Final = Visit(
    "Kontroll av kjent nyresvikt. Ingen ødemer, god matlyst. Bruker ikke betennelsesdempende midler.",
    "{vitals} Ingen pitting ødem. Vekt uendret.",
    "Kronisk nyresykdom, kreatinin og eGFR se under. Ingen tegn til rask forverring.",
    "Fortsetter ACE-hemmer. Unngår NSAID. Kontroll av kreatinin, kalium og urin-albumin om 3-4 måneder.",
    _icpc("U99", "Nyresvikt kronisk"),
)
LITHIUM: Final = Visit(
    "Kontroll av litiumbehandling. Stabilt stemningsleie, sover godt. Ingen skjelvinger, ikke økt tørste.",
    "{vitals} Våken og orientert, god kontakt. Ingen tremor.",
    "Bipolar lidelse i stabil fase. Litiumspeil se under.",
    "Uendret dose. Speil, kreatinin og TSH hver tredje måned. Tar kontakt ved oppkast, diaré eller lavt væskeinntak.",
    _icpc("P73", "Affektiv psykose"),
)
THYROID: Final = Visit(
    "Kontroll av stoffskifte. Noe trett og frossen, ingen hjertebank. Vekten stabil.",
    "{vitals} Thyreoidea ikke forstørret, ingen knuter.",
    "Hypotyreose. TSH og fritt T4 se under.",
    "Levotyroksin justeres etter prøvesvar. Ny kontroll om 6-8 uker.",
    _icpc("T86", "Hypotyreose"),
)
TIRED: Final = Visit(
    "Har vært trett og sliten i noen uker. Sover omtrent som vanlig. Ingen feber, ingen vekttap, normal avføring.",
    "{vitals} Cor/pulm uten anmerkning. Ingen forstørrede lymfeknuter. Buk bløt og uøm.",
    "Slapphet uten sikker årsak. Bredt blodprøvepanel tatt, se under.",
    "Svar gjennomgått med pasienten. Råd om søvn og aktivitet. Ny time ved vedvarende plager.",
    _icpc("A04", "Slapphet/tretthet"),
)
CHECKED: Final = Visit(
    "Ønsker helsekontroll. Ingen spesielle plager. Familie: far med høyt blodtrykk.",
    "{vitals} Cor/pulm uten anmerkning. Buk bløt, ingen oppfylninger.",
    "Normale funn ved undersøkelse. Blodprøver se under.",
    "Ingen tiltak. Ny kontroll etter avtale.",
    _icpc("A97", "Administrativ kontakt/ikke sykdom"),
)
WATERWORKS: Final = Visit(
    "Svie ved vannlating og hyppige vannlatinger siste to døgn. Ikke feber, ikke flankesmerter.",
    "{vitals} Ingen bankeømhet over nyrelosjene. Urinstrimmel og dyrkning tatt.",
    "Ukomplisert cystitt.",
    "Pivmecillinam 200 mg x 3 i 3 dager. Ny kontakt ved feber eller manglende bedring.",
    _icpc("U71", "Cystitt/urinveisinfeksjon"),
)
INFECTED: Final = Visit(
    "Feber og hoste i fire dager, noe slim. Ingen brystsmerter. Spiser og drikker litt.",
    "{vitals} Lett rød i svelget. Noen knatrelyder basalt som forsvinner etter hoste. CRP se under.",
    "Nedre luftveisinfeksjon.",
    "Ser det an med lindrende råd. Tar ny kontakt ved tungpust eller feber ut over tre døgn.",
    _icpc("R78", "Akutt bronkitt/bronkiolitt"),
)
FEVERISH: Final = Visit(
    "Kommer med foresatt. Feber i to døgn, snørrete, drikker bra. Normal vannlating.",
    "Våken, god kontakt, god kapillærfylning. Rød i svelget, trommehinner uten anmerkning. CRP se under.",
    "Viral luftveisinfeksjon.",
    "Råd om væske og febernedsettende. Ny vurdering ved slapphet, nakkestivhet eller utslett.",
    _icpc("R74", "Akutt øvre luftveisinfeksjon"),
)
THROAT: Final = Visit(
    "Vond hals siste to dager, vondt å svelge. Ingen hoste.",
    "{vitals} Rød svelgring, lett forstørrede tonsiller. Ømme lymfeknuter på halsen. Hurtigtest og CRP se under.",
    "Akutt tonsillitt.",
    "Penicillin ved påviste streptokokker, ellers smertelindring. Ny kontakt ved svelgvansker.",
    _icpc("R76", "Akutt tonsillitt"),
)
PREGNANT: Final = Visit(
    "Svangerskapskontroll. Føler seg bra, kjenner liv. Ingen blødning, ingen ødemer.",
    "{vitals} Symfyse-fundus-mål innenfor kurven. Fosterlyd god.",
    "Normalt svangerskap. Prøver se under.",
    "Helsekortet er ført. Neste kontroll hos jordmor om 4 uker.",
    _icpc("W78", "Svangerskap"),
)
VISITS: Final = {
    "Type 2-diabetes, kontroll": DIABETES, "Type 2-diabetes, årskontroll": DIABETES,
    "Nyoppdaget type 2-diabetes": DIABETES, "Tørste og slapphet": TIRED, "Slapphet": TIRED, "Slapp, lite matlyst": TIRED,
    "Jernmangelanemi, kontroll": ANAEMIA, "Kronisk nyresykdom": KIDNEY, "Nyresvikt, kontroll": KIDNEY,
    "Litiumbehandling": LITHIUM, "TSH forhøyet, kontroll": THYROID, "Startet tyroksin, kontroll": THYROID,
    "Hypotyreose, substituert": THYROID, "Helsekontroll": CHECKED, "Helseundersøkelse": CHECKED,
    "Svie ved vannlating": WATERWORKS, "Feber og hoste": INFECTED, "Feber": FEVERISH, "Feber og sår hals": FEVERISH,
    "Sår hals": THROAT, "Svangerskap, første kontroll": PREGNANT, "Svangerskap uke 28": PREGNANT,
    "Svangerskapskontroll": PREGNANT,
    "Kontroll av kolesterolbehandling": Visit(
        "Kontroll av statinbehandling. Ingen muskelplager. Kosthold uendret.",
        "{vitals}", "Hyperkolesterolemi under behandling. Lipider se under.",
        "Fortsetter atorvastatin. Ny kontroll om ett år.", _icpc("T93", "Lipidforstyrrelse"),
    ),
    "Warfarinbehandling": Visit(
        "INR-kontroll ved kjent atrieflimmer. Ingen blødninger, ingen nye medisiner.",
        "Puls uregelmessig, ca. 76.", "Antikoagulasjonsbehandling. INR se under.",
        "Dose etter doseringskort. Ny INR om 4 uker.", _icpc("K78", "Atrieflimmer/flutter"),
    ),
    "Kontroll av leverprøver": Visit(
        "Kontroll av forhøyede leverprøver. Lite alkohol. Ingen kløe, normal avføring.",
        "{vitals} Lever ikke palpabel.", "Lett forhøyede leverprøver, trolig fettlever. Se under.",
        "Råd om vekt og alkohol. Nye prøver om 6 måneder.", _icpc("D97", "Leversykdom INA"),
    ),
    "Svimmelhet": Visit(
        "Svimmel av og til når pasienten reiser seg, verst om morgenen. Ingen besvimelser, ingen brystsmerter.",
        "{vitals} Blodtrykket faller 18 mm Hg ved oppreisning. Orienterende nevrologisk undersøkelse uten utfall.",
        "Ortostatisk svimmelhet.", "Gjennomgang av legemidler, råd om væske. Kontroll om 4 uker.",
        _icpc("N17", "Svimmelhet/ørhet"),
    ),
    "Vannlatingsplager": Visit(
        "Slapp stråle og vannlating to ganger om natten. Ingen svie, ikke blod i urinen.",
        "{vitals} Prostata moderat forstørret, glatt og uøm.", "Godartet forstørret prostata. PSA se under.",
        "Ønsker ikke behandling nå. Ny PSA om ett år.", _icpc("Y85", "Benign prostatahypertrofi"),
    ),
    "Vektendring": Visit(
        "Har gått opp fire kilo siste halvår uten endret kosthold. Noe trett.",
        "{vitals} Thyreoidea ikke forstørret.", "Vektøkning. Stoffskifteprøver se under.",
        "Kontroll av TSH om 3 måneder.", _icpc("T07", "Vektøkning"),
    ),
    "Kontroll": Visit(
        "Kommer med foresatt til kontroll. Trives, spiser og sover godt.",
        "God allmenntilstand. Cor/pulm uten anmerkning, buk bløt.", "Frisk barn.", "Ingen tiltak.",
        _icpc("A97", "Administrativ kontakt/ikke sykdom"),
    ),
    "Kontroll etter pneumoni": Visit(
        "Kontroll etter sykehusopphold med lungebetennelse. Betydelig bedre, litt kortpustet i bakker.",
        "{vitals} Rene respirasjonslyder på begge sider.", "God bedring etter pneumoni. CRP se under.",
        "CT thorax er bestilt av sykehuset. Ny kontroll ved behov.", _icpc("R81", "Lungebetennelse"),
    ),
}  # fmt: skip
STAYS: Final = {
    "Innlagt med feber og tungpust": Stay(
        "Innlagt etter tre døgn med feber, hoste og tiltagende tungpust. Kjent diabetes type 2.",
        "Temp 39,1, BT 112/68, puls 108, resp.frekvens 26, SpO2 89 % uten oksygen. Knatrelyder basalt på høyre side.",
        "Røntgen thorax viste infiltrat i høyre underlapp. Behandlet med benzylpenicillin intravenøst i tre døgn, deretter "
        "tabletter. Oksygen de to første døgnene. Afebril fra tredje døgn. Insulin ved behov så lenge sukkeret lå høyt.",
        "Fenoksymetylpenicillin til sammen 7 dager. Kontroll hos fastlege om 3 uker. CT thorax om 6 uker er bestilt herfra.",
        _icd("J18.9", "Uspesifisert pneumoni"), 5,
        (("Fenoksymetylpenicillin 660 mg", "2 tabletter x 4 i 4 dager"), ("Metformin 500 mg", "2 tabletter x 2, som før")),
    ),
    "Innleggelse, infeksjon": Stay(
        "Innlagt fra legevakt med feber og nedsatt allmenntilstand siste to døgn.",
        "Temp 38,9, BT 118/70, puls 102, SpO2 94 %. Noe ustø. Ingen fokale nevrologiske utfall.",
        "Urinprøve og klinikk tydet på øvre urinveisinfeksjon. Behandlet med cefotaksim intravenøst og deretter tabletter. "
        "Feberfri etter to døgn.",
        "Fullfører kuren hjemme. Kontroll av CRP og kreatinin hos fastlege om en uke.",
        _icd("N10", "Akutt tubulointerstitiell nefritt"), 4, (("Trimetoprim-sulfa 160/800 mg", "1 tablett x 2 i 7 dager"),),
    ),
    "Brystsmerter": Stay(
        "Innlagt med trykkende smerter i brystet som kom i hvile og varte i 30 minutter.",
        "BT 148/86, puls 78 regelmessig, SpO2 98 %. Smertefri ved innkomst. EKG: sinusrytme uten ST-forandringer.",
        "Troponin ble tatt to ganger uten stigning. Observert på telemetri ett døgn uten arytmier. Arbeids-EKG uten tegn til "
        "iskemi.",
        "Smertene oppfattes som muskulære. Utskrives uten nye medisiner. Henvises på nytt ved gjentatte smerter.",
        _icd("R07.4", "Uspesifisert brystsmerte"), 1,
    ),
    "Skade, innlagt": Stay(
        "Innlagt fra akuttmottaket med skader etter fall hjemme. Forteller om et dytt.",
        "BT 124/78, puls 92. Blåmerker over venstre skulder og overarm. Normal nevrologisk undersøkelse.",
        "Røntgen av skulder uten brudd. Observert natten over. Samtale med sosionom; egen adresse er skjermet.",
        "Utskrives til trygt bosted. Oppfølging ved krisesenter er avtalt. Kontakt herfra skjer bare over telefon.",
        _icd("S40.0", "Kontusjon av skulder og overarm"), 1, (("Paracetamol 1 g", "1 tablett inntil x 4 ved smerter"),),
    ),
    "Etter fødsel": Stay(
        "Førstegangsfødende, spontan fødsel til termin.",
        "Blødning ved fødsel ca. 700 ml. Uterus vel kontrahert. BT 116/72.",
        "Ukomplisert barselopphold. Ammingen kom i gang andre døgn. Hb etter fødsel se under.",
        "Jerntabletter i 3 måneder. Etterkontroll hos fastlege etter 6 uker. Helsestasjonen er varslet.",
        _icd("O80", "Enkeltfødsel, spontan"), 3, (("Jernfumarat 100 mg", "1 tablett daglig i 3 måneder"),),
    ),
    "Diabetespoliklinikk": Stay(
        "Henvist av fastlege til vurdering av behandling ved type 2-diabetes og begynnende mikroalbuminuri.",
        "BT 136/82, puls 72, BMI 29. Føtter uten sår. Øyebunnsfoto uten retinopati.",
        "Gjennomgang av egenmålinger og kosthold sammen med diabetessykepleier. Prøver se under.",
        "Starter SGLT2-hemmer for nyrenes skyld. HbA1c og urin-albumin hos fastlege om 3 måneder. Avsluttes her.",
        _icd("E11.2", "Diabetes mellitus type 2 med nyrekomplikasjoner"), 0, (("Empagliflozin 10 mg", "1 tablett daglig"),),
    ),
    "Polypp fjernet ved koloskopi": Stay(
        "Henvist av fastlege etter blod i avføringen ved to anledninger.",
        "Tarmen tømt tilfredsstillende. Koloskop ført til coecum.",
        "Stilket polypp på 9 mm i sigmoideum fjernet med slynge. Resten av tarmen uten anmerkning. Ingen blødning etterpå.",
        "Histologi er sendt; svaret kommer herfra til pasient og fastlege.",
        _icd("D12.5", "Godartet svulst i colon sigmoideum"), 0,
    ),
}  # fmt: skip
POLYP_ANSWERED: Final = (
    "Histologi: tubulært adenom med lavgradig dysplasi, fri reseksjonsrand. Godartet. Ny koloskopi om 5 år etter nasjonale "
    "retningslinjer. Denne epikrisen erstatter den som ble sendt før svaret forelå."
)
CORRECTED: Final = (
    "Rettet: legemiddellisten er gjennomgått på nytt etter utskrivningen. Epikrisen erstatter den tidligere."
)
NOT_ANSWERED: Final = frozenset(
    {"Nyfødt, gulsott", "Pneumoni, forløp", "Svangerskap, blodtyping", "Svangerskap, urindyrkning"}
)
"""Reasons of samples that belong to a contact which another sample tells of."""
TALKED: Final = Visit(
    "Ønsker å snakke om en vanskelig tid etter samlivsbrudd. Sover dårlig, gråter lett. Ingen selvmordstanker.",
    "God kontakt, adekvat, noe nedstemt.", "Krisereaksjon. Ikke tegn til alvorlig depresjon.",
    "Støttesamtaler, ny time om to uker. Pasienten ønsker at notatet sperres for andre enn egen fastlege.",
    _icpc("P02", "Psykisk ubalanse situasjonsbetinget"),
)  # fmt: skip
CONFIDED: Final = Visit(
    "Kommer alene. Ønsker prevensjon, har lest om p-staver. Ikke hodepine, røyker ikke.",
    "{vitals}", "Ønsket prevensjon, ingen kontraindikasjoner.", "P-stav settes inn ved neste time. Informert om "
    "taushetsplikt overfor foresatte.", _icpc("W14", "Prevensjon INA"),
)  # fmt: skip
NURSED: Final = (
    "Pasienten har vært oppegående i avdelingen fra andre døgn og klarer personlig stell selv. Spiser halve porsjoner, "
    "drikker godt. Ingen trykksår. Sov bedre de siste nettene. Perifer venekanyle fjernet før hjemreise."
)
AT_HOME: Final = (
    Part("Ressurser og behov", "Bor alene i egen bolig med trygghetsalarm. Går med rullator inne. Klarer morgenstell med "
     "tilrettelegging, trenger hjelp til dusj og støttestrømper."),
    Part("Mål", "Bo trygt hjemme. Opprettholde gangfunksjon. Ta legemidlene riktig."),
    Part("Tiltak", "Hjemmesykepleie morgen og kveld. Multidose utleveres hver torsdag. Fysioterapeut hver 14. dag. Vekt "
     "hver måned. Datteren har fått tilbud om samtale."),
    Part("Evaluering", "Planen vurderes hver tredje måned sammen med pasient og fastlege, eller når tilstanden endrer seg."),
)  # fmt: skip
VISITED: Final = (
    "Tilsyn på kveldstid. Pasienten i godt humør, hadde spist middag. Støttestrømper tatt av, hud hel. Legemidler fra "
    "multidose tatt under tilsyn. Litt ødem i anklene, som før."
)
SICK_NOTE: Final = (
    Part("Aktivitetskrav og arbeid", "Pasienten kan ikke være i arbeid på grunn av sykdommen. Arbeidsoppgavene er tunge og kan "
     "ikke tilrettelegges i perioden."),
    Part("Medisinsk vurdering", "God bedring ventes. Gradert sykmelding vurderes ved neste kontroll."),
    Part("Periode", "100 % fra første dag av perioden, til sammen 14 dager. Ny vurdering ved utløp."),
)  # fmt: skip
ANTENATAL: Final = (
    Part("Opplysninger", "Para 0. Termin etter ultralyd. Ingen kjente sykdommer av betydning. Blodtype A Rh(D) negativ, "
     "antistoffscreening negativ. Røyker ikke, ikke alkohol i svangerskapet."),
    Part("Vurdering", "Normalt forløp. RhD-profylakse er gitt i uke 28. Jerntilskudd på grunn av lav ferritin."),
)  # fmt: skip
POSTNATAL: Final = (
    "Hjemmebesøk. Mor og barn har det bra. Barnet dier hver tredje time og har gått opp i vekt. Navlen tørr. Gulsott avtagende. "
    "Snakket om søvn, amming og psykisk helse etter fødsel."
)
