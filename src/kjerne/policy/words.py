"""The rules' words in nynorsk and English, beside the bokmål that stands in each rule, and what a choice does.

Read by the patient in her log and on her privacy page, and by whoever was refused. Written for people, not for lawyers:
no "jf.", no abbreviation, at most two sentences. The rules' texts never say "you": the patient, a parent and a
clinician read the same line. The effects of a choice do, since only the one who chooses reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from kjerne.policy.table import NO_RULE, RULES, UNKNOWN_PERSON
from kjerne.policy.words_beside import NN_EN as BESIDE_NN_EN
from kjerne.policy.words_beside import OF_THE_LOG
from kjerne.policy.words_everybody import NN_EN as EVERYBODY_NN_EN
from kjerne.policy.words_links import OF_LINKS
from kjerne.policy.words_rechecked import NN_EN as RECHECKED_NN_EN
from kjerne.policy.words_refused import NN_EN as REFUSED_NN_EN
from kjerne.policy.words_subscribing import NN_EN as SUBSCRIBING_NN_EN
from kjerne.policy.words_young import NN_EN as YOUNG_NN_EN
from kjerne.store.audit import MET, MET_OPENED, MET_OPENED_SAYS, MET_SAYS

Language = Literal["nb", "nn", "en"]


class Words(NamedTuple):
    """One text in three languages."""

    nb: str
    nn: str
    en: str


_NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    **YOUNG_NN_EN,
    **SUBSCRIBING_NN_EN,
    **EVERYBODY_NN_EN,
    **RECHECKED_NN_EN,
    **REFUSED_NN_EN,
    **BESIDE_NN_EN,
    "no-rule": (
        "Ingen regel gav tilgang.",
        "No rule gave access.",
    ),
    "unknown-person": (
        "Personen finst ikkje her.",
        "There is no such person here.",
    ),
    "scope-missing": (
        "Systemet som spurde, har ikkje lov til å be om dette.",
        "The system that asked is not allowed to ask for this.",
    ),
    "scope-narrower": (
        "Systemet som spurde, hadde berre bede om tilgang til andre slag opplysningar.",
        "The system that asked had only asked for access to other kinds of information.",
    ),
    "basis-unknown": (
        "Grunnlaget for oppslaget er ikkje eit kjent grunnlag.",
        "The stated ground for looking is not a known ground.",
    ),
    "basis-not-signed": (
        "Grunnlaget for oppslaget er eit anna enn det som vart signert.",
        "The basis for the look-up is another than the one that was signed.",
    ),
    "level-too-low": (
        "Innlogginga var ikkje på høgaste tryggleiksnivå.",
        "The login was not at the highest level of security.",
    ),
    "own-as-staff": (
        "Helsepersonell såg opplysningar om seg sjølv, og ikkje meir enn andre får sjå om seg sjølv.",
        "A health worker saw their own information, and no more than anybody may see of their own.",
    ),
    "own-not-as-staff": (
        "Helsepersonell ser opplysningar om seg sjølv berre som vanleg innbyggjar, ikkje som behandlar.",
        "Health workers see their own information only as citizens, not as their own clinician.",
    ),
    "caller-not-described": (
        "Det mangla opplysningar om kven som spurde, eller kvar dei arbeider.",
        "Information was missing about who asked, or where they work.",
    ),
    "own-takes-no-part": (
        "Verksemda som spurde, deltek ikkje i delinga av desse opplysningane.",
        "The organisation that asked takes no part in the sharing of this information.",
    ),
    "organisation-takes-no-part": (
        "Verksemda som spurde, deltek ikkje i delinga av desse opplysningane.",
        "The organisation that asked takes no part in the sharing of this information.",
    ),
    "sender-takes-no-part": (
        "Verksemda som ville sende inn, deltek ikkje i delinga av desse opplysningane.",
        "The organisation that wanted to send in takes no part in the sharing of this information.",
    ),
    "answerer-takes-no-part": (
        "Verksemda som ville svare på ei melding frå innbyggjaren, deltek ikkje i delinga av desse opplysningane.",
        "The organisation that wanted to answer an inquiry takes no part in the sharing of this information.",
    ),
    "role-not-listed": (
        "Denne yrkesgruppa har ikkje tilgang til desse opplysningane.",
        "This profession has no access to this information.",
    ),
    "attestation-missing": (
        "Arbeidsgivaren hadde ikkje stadfesta behovet for oppslaget.",
        "The employer had not confirmed the need to look.",
    ),
    "attestation-of-another-practitioner": (
        "Stadfestinga frå arbeidsgivaren gjaldt ein annan tilsett.",
        "The employer's confirmation was for another employee.",
    ),
    "attestation-of-another-patient": (
        "Stadfestinga frå arbeidsgivaren gjaldt ein annan pasient.",
        "The employer's confirmation was for another patient.",
    ),
    "attestation-expired": (
        "Stadfestinga frå arbeidsgivaren var for gammal.",
        "The employer's confirmation was too old.",
    ),
    "purpose-unknown": (
        "Føremålet med oppslaget er ikkje eit kjent føremål.",
        "The purpose of looking is not a known purpose.",
    ),
    "blocked-by-name": (
        "Denne personen er blokkert ved namn og får ikkje sjå noko, heller ikkje i ein naudsituasjon.",
        "This person is blocked by name and may see nothing, not even in an emergency.",
    ),
    "address-protected": (
        "Opplysningar om ein person med verna adresse kan ikkje opnast her.",
        "Information about a person with a protected address cannot be opened here.",
    ),
    "break-glass-role": (
        "Denne yrkesgruppa kan ikkje setje dei vanlege reglane til side.",
        "This profession cannot set the normal rules aside.",
    ),
    "break-glass-reason": (
        "Dei vanlege reglane kan ikkje setjast til side utan at det står kvifor.",
        "The normal rules cannot be set aside unless the reason is written down.",
    ),
    "elevated-emergency-role": (
        "Denne yrkesgruppa kan ikkje opne alt som er sperra i ein naudsituasjon.",
        "This profession cannot open everything that is restricted in an emergency.",
    ),
    "elevated-emergency-reason": (
        "Alt som er sperra, kan ikkje opnast utan at det står kvifor.",
        "Everything that is restricted cannot be opened unless the reason is written down.",
    ),
    "case-handling-reason": (
        "Oppslag for saksbehandling krev at det står kva sak det gjeld.",
        "Looking in order to handle a case requires that the case is named.",
    ),
    "no-relation": (
        "Den som spurde, hadde ikkje noko behandlingsforhold til pasienten.",
        "The one who asked had no treatment relationship with the patient.",
    ),
    "consent-missing": (
        "Denne yrkesgruppa treng samtykke for å sjå opplysningane, og det var ikkje gitt. I akuttkjeda må det stå kvifor.",
        "This profession needs consent to see the information, and none was given. In the emergency chain it must say why.",
    ),
    "opted-out": (
        "Det er reservert mot at helsepersonell ser opplysningane her.",
        "An opt-out keeps health workers from seeing the information here.",
    ),
    "everything-opened": (
        "Alt som var sperra, vart opna med uttrykkeleg samtykke eller i ein naudsituasjon.",
        "Everything that was restricted was opened with explicit consent or in an emergency.",
    ),
    "elevated": (
        "Den som såg opplysningane, kunne med uttrykkeleg samtykke eller i ein naudsituasjon også sjå enkeltsvar som er sperra.",
        "The one who saw the information could, with explicit consent or in an emergency, also see restricted single results.",
    ),
    "restriction-opened": (
        "Sperringa vart opna med samtykke eller i ein naudsituasjon.",
        "The restriction was opened with consent or in an emergency.",
    ),
    "part-opened": (
        "Ein del av opplysningane var sperra. Han vart opna med samtykke eller i ein naudsituasjon.",
        "A part of the information was restricted. It was opened with consent or in an emergency.",
    ),
    "break-glass": (
        "Dei vanlege reglane vart sette til side. Den som såg opplysningane, skreiv kvifor.",
        "The normal rules were set aside. The one who saw the information wrote down why.",
    ),
    "case-handling": (
        "Opplysningane vart brukte i behandlinga av ei sak, til dømes ei tilvising.",
        "The information was used in handling a case, such as a referral.",
    ),
    "gp": (
        "Fastlegen såg opplysningane i behandlinga.",
        "The GP saw the information as part of treatment.",
    ),
    "care": (
        "Behandlingsstaden såg opplysningane i behandlinga.",
        "The place of care saw the information as part of treatment.",
    ),
    "self-declared": (
        "Den som såg opplysningane, oppgav sjølv at det var nødvendig for behandlinga.",
        "The one who saw the information stated that treatment required it.",
    ),
    "citizen-unknown": (
        "Den som er logga inn, finst ikkje i registera her.",
        "The person who is logged in is in no register here.",
    ),
    "age-unknown": (
        "Fødselsdatoen er ukjend, og då kan vi ikkje vite kven som har rett til innsyn.",
        "The date of birth is unknown, so we cannot know who has a right to see.",
    ),
    "citizen-purpose-unknown": (
        "Føremålet høyrer til helsepersonell, ikkje til innbyggjarar.",
        "The purpose belongs to health workers, not to citizens.",
    ),
    "errand-about-another": (
        "Innbyggjarportalen spurde om ein annan enn den som besøket gjaldt.",
        "The citizen portal asked about another person than the visit was about.",
    ),
    "errand-without-right": (
        "Registera seier ikkje at den som er logga inn, har den rolla som innbyggjarportalen oppgav.",
        "The registers do not say that the person who is logged in has the role that the citizen portal stated.",
    ),
    "deceased": (
        "Digitalt innsyn tek slutt når ein person døyr. Pårørande kan be om innsyn hos behandlingsstaden.",
        "Digital access ends when a person dies. Next of kin can ask the place of care.",
    ),
    "own-under-12": (
        "Barn under 12 år har ikkje digitalt innsyn sjølv. Foreldra har det.",
        "Children under 12 have no digital access themselves. Their parents have.",
    ),
    "address-protected-representation": (
        "Den som har verna adresse, kan ikkje sjå opplysningar for andre, og andre kan ikkje sjå for den.",
        "A person with a protected address cannot see information for others, nor others for them.",
    ),
    "parent-elsewhere": (
        "Foreldre har digitalt innsyn berre når minst éin av dei er registrert på same adresse som barnet.",
        "Parents have digital access only when at least one of them is registered at the child's address.",
    ),
    "own-youth": (
        "Ungdom mellom 16 og 18 år såg opplysningar om seg sjølv.",
        "A young person between 16 and 18 saw their own information.",
    ),
    "own": (
        "Innbyggjaren såg opplysningar om seg sjølv.",
        "The citizen saw their own information.",
    ),
    "parent": (
        "Ein forelder såg opplysningar om barnet sitt.",
        "A parent saw information about their child.",
    ),
    "proxy": (
        "Ein person med fullmakt såg opplysningane.",
        "A person with power of attorney saw the information.",
    ),
    "own-log": (
        "Innbyggjaren såg kven som har sett opplysningane.",
        "The citizen saw who has seen the information.",
    ),
    "parent-log": (
        "Ein forelder såg kven som har sett opplysningar om barnet.",
        "A parent saw who has seen information about the child.",
    ),
    "proxy-log": (
        "Ein person med fullmakt såg kven som har sett opplysningane.",
        "A person with power of attorney saw who has seen the information.",
    ),
    "own-choices": (
        "Innbyggjaren såg eller endra personverninnstillingane sine.",
        "The citizen saw or changed their privacy settings.",
    ),
    "parent-choices": (
        "Ein forelder såg eller endra personverninnstillingane til barnet.",
        "A parent saw or changed the child's privacy settings.",
    ),
    "parent-of-12-to-16": (
        "Når barnet er mellom 12 og 16 år, har ikkje foreldre digitalt innsyn. Dei kan spørje legen.",
        "When the child is between 12 and 16, parents have no digital access. They can ask the doctor.",
    ),
    "parent-of-16-to-18": (
        "Frå 16 år bestemmer ungdommen sjølv, og innsynet til foreldra er slutt.",
        "From 16 young people decide for themselves, and parents' access has ended.",
    ),
    "proxy-of-under-16": (
        "Berre den som har fylt 16 år, kan gje fullmakt.",
        "Only a person who has turned 16 can give power of attorney.",
    ),
    "proxy-too-young": (
        "Berre den som har fylt 18 år, kan bruke ei fullmakt.",
        "Only a person who has turned 18 can use a power of attorney.",
    ),
    "proxy-area": (
        "Fullmakta omfattar ikkje dette.",
        "The power of attorney does not cover this.",
    ),
    "guardian": (
        "Verja såg opplysningane.",
        "The guardian saw the information.",
    ),
    "guardian-log": (
        "Verja såg kven som har sett opplysningane.",
        "The guardian saw who has seen the information.",
    ),
    "guardian-scope": (
        "Verjemålet omfattar ikkje dette.",
        "The guardianship does not cover this.",
    ),
    "representative-deceased": (
        "Den som er logga inn, er registrert som død og kan ikkje handle for andre.",
        "The person who is logged in is registered as dead and cannot act for others.",
    ),
    "no-representation": (
        "Den som er logga inn, har ikkje rett til å sjå opplysningar om denne personen.",
        "The person who is logged in has no right to see information about this person.",
    ),
    "own-not-registered": (
        "Helsepersonell registrerer ikkje opplysningar om seg sjølv.",
        "Health workers do not register information about themselves.",
    ),
    "registrar-takes-no-part": (
        "Verksemda som ville registrere, deltek ikkje som kjelde til desse opplysningane.",
        "The organisation that wanted to register takes no part as a source of this information.",
    ),
    "purpose-not-covered": (
        "Føremålet gjev ikkje tilgang til desse opplysningane.",
        "The purpose gives no access to this information.",
    ),
    "basis-missing": (
        "Grunnlaget for oppslaget var ikkje oppgjeve.",
        "The ground for looking was not stated.",
    ),
    "of-the-dead": (
        "Opplysningane om ein person som er død, blir ikkje opna her.",
        "The information about a person who has died is not opened here.",
    ),
    "service-not-agreed-to": (
        "Pasienten har ikkje samtykt til denne tenesta.",
        "The patient has not consented to this service.",
    ),
    "consent-missing-by-kjernejournal": (
        "Denne yrkesgruppa treng samtykke etter reglane for kjernejournal. I akuttkjeda må det stå kvifor.",
        "This profession needs consent under the rules of kjernejournal. In the emergency chain it must say why.",
    ),
    "registering-purpose": (
        "Opplysningar blir berre registrerte i behandlinga av pasienten.",
        "Information is registered only in the treatment of the patient.",
    ),
    "objected": (
        "Pasienten har sett seg imot at opplysningane blir delte. Dei blir opna berre når tungtvegande grunnar talar for det.",
        "The patient has objected to the information being shared. It is opened only for weighty reasons.",
    ),
    "restricted-to-all": (
        "Opplysningane er sperra, og ingenting opnar dei her.",
        "The information is restricted, and nothing opens it here.",
    ),
    "register-kind": (
        "Denne yrkesgruppa kan ikkje registrere dette.",
        "This profession cannot register this.",
    ),
    "registered-with-all-opened": (
        "Helsepersonell registrerte opplysningar her. Med samtykke eller i ein naudsituasjon var det sperra ope.",
        "A health worker registered information here. By consent or in an emergency what is restricted was open.",
    ),
    "registered-behind-restriction": (
        "Helsepersonell registrerte opplysningar her. Sperringa vart opna med samtykke eller i ein naudsituasjon.",
        "A health worker registered information here. The restriction was opened with consent or in an emergency.",
    ),
    "registered-behind-part": (
        "Helsepersonell registrerte opplysningar her. Ein sperra del vart opna med samtykke eller i ein naudsituasjon.",
        "A health worker registered information here. A part that was restricted was opened with consent or in an emergency.",
    ),
    "registered": (
        "Helsepersonell registrerte opplysningar her.",
        "A health worker registered information here.",
    ),
    "restricted-at-source": (
        "Eit dokument vart ikkje teke imot, fordi det er sperra der det vart skrive.",
        "A document was not taken in, because it is restricted where it was written.",
    ),
    "nothing-of-its-own": (
        "Ein avsendar ville rette eller slette noko han ikkje har sendt inn her. Ingenting vart endra.",
        "A sender wanted to correct or delete something that it has not sent in here. Nothing was changed.",
    ),
    "put-right-after-opt-out": (
        "Opplysningar som låg her før reservasjonen, vart retta eller trekte tilbake. Dei er framleis lukka.",
        "Information that was here before the opt-out was corrected or taken back. It is still closed.",
    ),
    "not-kept-after-opt-out": (
        "Opplysningar kom inn, men vart ikkje lagra, fordi det er reservert mot lagring her.",
        "Information came in but was not kept, because of an opt-out here.",
    ),
    "sent-in": (
        "Ei verksemd sende inn opplysningar.",
        "An organisation sent in information.",
    ),
    "contact-point-takes-no-part": (
        "Kontaktpunktet som spurde, deltek ikkje i delinga av desse opplysningane.",
        "The contact point that asked takes no part in the sharing of this information.",
    ),
    "not-sent-abroad": (
        "Opplysningane vart ikkje sende til eit anna land.",
        "The information was not sent to another country.",
    ),
    "sent-abroad": (
        "Opplysningane vart sende til behandling i eit anna land, slik pasienten har samtykt til.",
        "The information was sent for treatment in another country, as the patient has consented to.",
    ),
    "corrected-after-opt-out": (
        "Eit svar som låg her før reservasjonen, vart retta eller trekt tilbake. Det er framleis lukka.",
        "A result that was here before the opt-out was corrected or taken back. It is still closed.",
    ),
    "filed-after-opt-out": (
        "Eit svar kom inn, men vart ikkje lagra, fordi det er reservert mot lagring her.",
        "A result came in but was not kept, because of an opt-out here.",
    ),
    "filed": (
        "Eit laboratorium eller ei røntgenavdeling sende inn eit svar.",
        "A laboratory or radiology department sent in a result.",
    ),
    "examined-by-a-blocked": (
        "Ei melding vart ikkje opna, fordi den som ville opne ho, er blokkert ved namn.",
        "A message was not opened, because the one who wanted to open it is blocked by name.",
    ),
    "examined-protected": (
        "Ei melding vart ikkje opna, fordi ho gjeld ein person med verna adresse.",
        "A message was not opened, because it is about a person with a protected address.",
    ),
    "examined-after-opt-out": (
        "Ei melding vart ikkje opna, fordi det er reservert mot lagring her.",
        "A message was not opened, because of an opt-out here.",
    ),
    "examined-restricted": (
        "Ei melding vart ikkje opna, fordi opplysningane er sperra.",
        "A message was not opened, because the information is restricted.",
    ),
    "sent-opened": (
        "Avsendaren opna innhaldet i si eiga melding, som ikkje vart teken imot her, og skreiv kvifor.",
        "The sender opened the content of its own message, which was not taken in here, and wrote why.",
    ),
    "examined-partly-restricted": (
        "Ei melding vart ikkje opna, fordi ein del av opplysningane er sperra.",
        "A message was not opened, because a part of the information is restricted.",
    ),
    "rejected-opened": (
        "Innhaldet i ei melding som ikkje vart teken imot her, vart opna. Den som opna ho, skreiv kvifor.",
        "The content of a message that was not taken in here was opened. The one who opened it wrote why.",
    ),
    "persons-linked": (
        "Drifta av plattforma vurderte om to personnummer er same person, knytte dei saman eller skilde dei.",
        "Operators of the platform judged whether two person numbers are one person, linked them or separated them.",
    ),
    "export-after-block": (
        "Opplysningane vart ikkje tekne med i ein eksport, fordi nokon er blokkert ved namn.",
        "The information was left out of an export, because somebody is blocked by name.",
    ),
    "export-protected": (
        "Opplysningane vart ikkje tekne med i ein eksport, fordi adressa er verna.",
        "The information was left out of an export, because the address is protected.",
    ),
    "export-after-opt-out": (
        "Opplysningane vart ikkje tekne med i ein eksport, fordi det er reservert mot lagring her.",
        "The information was left out of an export, because of an opt-out here.",
    ),
    "export-restricted": (
        "Opplysningane vart ikkje tekne med i ein eksport, fordi dei er sperra.",
        "The information was left out of an export, because it is restricted.",
    ),
    "exported": (
        "Opplysningane vart tekne med i ein eksport. Rettsgrunnlaget står ved sida av.",
        "The information was part of an export. The legal ground stands beside this.",
    ),
    "readers-traced": (
        "Den som har ansvaret for loggen, såg kven som hadde opna eit svar som var sendt inn på feil person.",
        "The one who is responsible for the log saw who had opened a result sent in about the wrong person.",
    ),
    "disclosed-to-source": (
        "Den som sende inn opplysningane, fekk vite kva verksemd som har sett dei, når og på kva grunnlag.",
        "The one who had sent the information in was told which organisation has seen it, when and on which ground.",
    ),
    "log-controlled": (
        "Den som har ansvaret for loggen, henta ut kven som har sett opplysningane.",
        "The one who is responsible for the log took out who has seen the information.",
    ),
    "review-own": (
        "Eit oppslag vart ikkje opna for gjennomgang, fordi det galdt den som ville opne det, eller nokon ho står nær.",
        "A reading was not opened for review, because it was about the one who wanted to open it, or somebody near her.",
    ),
    "review-by-a-blocked": (
        "Eit oppslag vart ikkje opna for gjennomgang, fordi den som ville opne det, er blokkert ved namn.",
        "A reading was not opened for review, because the one who wanted to open it is blocked by name.",
    ),
    "review-protected": (
        "Eit oppslag vart ikkje opna for gjennomgang, fordi det gjeld ein person med verna adresse.",
        "A reading was not opened for review, because it is about a person with a protected address.",
    ),
    "log-line-opened": (
        "Den som har ansvaret for loggen, såg kven eit oppslag som skilde seg ut, galdt, og skreiv kvifor.",
        "The one who is responsible for the log saw whom a reading that stood out was about, and wrote why.",
    ),
    "own-inquiry": (
        "Innbyggjaren melde frå om noko som ikkje stemmer, eller las svaret.",
        "The citizen said that something was wrong, or read the answer.",
    ),
    "parent-inquiry": (
        "Ein forelder melde frå om noko som ikkje stemmer for barnet, eller las svaret.",
        "A parent said that something was wrong for the child, or read the answer.",
    ),
    "own-download": (
        "Innbyggjaren lasta ned opplysningar om seg sjølv.",
        "The citizen downloaded their own information.",
    ),
    "parent-download": (
        "Ein forelder lasta ned opplysningar om barnet sitt.",
        "A parent downloaded information about their child.",
    ),
    "inquiry-handled": (
        "Den som skal svare på ei melding frå innbyggjaren, opna henne eller svarte på henne.",
        "The one who is to answer an inquiry from the citizen opened it or answered it.",
    ),
}

RULE_WORDS: Final[Mapping[str, Words]] = {
    **{rule.id: Words(rule.says, *_NN_EN[rule.id]) for rule in (*RULES, NO_RULE, UNKNOWN_PERSON)},
    **{rule: Words(*in_each) for rule, in_each in OF_THE_LOG.items()},
    # No decision, but a line in the log: what `store.erasing` does when an opt-out has held for 30 days.
    "erased-after-restore": Words(
        "Opplysningene ble slettet på nytt, fordi en eldre kopi av databasen ble tatt i bruk.",
        "Opplysningane vart sletta på nytt, fordi ein eldre kopi av databasen vart teken i bruk.",
        "The information was deleted again, because an older copy of the database was taken into use.",
    ),
    "erased-after-opt-out": Words(
        "Opplysningene ble slettet 30 dager etter at det ble reservert mot lagring her.",
        "Opplysningane vart sletta 30 dagar etter at det vart reservert mot lagring her.",
        "The information was deleted 30 days after an opt-out here.",
    ),
    # A grant to write, under which nothing was written (`store.audit.met`).
    MET: Words(
        MET_SAYS,
        "Noko som ligg her, vart funne av den som har sendt det inn. Ingenting vart registrert eller endra.",
        "Something that is here was found by the one who sent it in. Nothing was registered or changed.",
    ),
    MET_OPENED: Words(
        MET_OPENED_SAYS,
        "Noko som ligg her, vart funne av den som har registrert det, med samtykke eller i ein naudsituasjon. "
        "Ingenting vart registrert eller endra.",
        "Something that is here was found by the one who registered it, by consent or in an emergency. "
        "Nothing was registered or changed.",
    ),
    **{rule: Words(*in_each) for rule, in_each in OF_LINKS.items()},
    # What `store.chains` does when a laboratory corrects whom a report is about.
    "withdrawn-wrong-person": Words(
        "Et svar som var sendt inn på feil person, ble trukket tilbake herfra og flyttet til den det gjelder.",
        "Eit svar som var sendt inn på feil person, vart trekt tilbake herifrå og flytta til den det gjeld.",
        "A result that had been sent in about the wrong person was withdrawn from here and moved to the right one.",
    ),
}
"""Rule id -> its words. A rule without all three languages stops the program from starting."""

CHOICE_EFFECTS: Final[Mapping[str, Words]] = {
    "block": Words(
        "Personen du blokkerer, får ikke se noe her, heller ikke i en nødssituasjon. Bare du kan ta blokkeringen bort.",
        "Personen du blokkerer, får ikkje sjå noko her, heller ikkje i ein naudsituasjon. "
        "Berre du kan ta blokkeringa bort.",
        "The person you block may see nothing here, not even in an emergency. Only you can remove the block.",
    ),
    "restriction": Words(
        "Helsepersonell ser ikke opplysningene uten at du samtykker eller det er en nødssituasjon. "
        "Hver gang noen åpner dem, står det i loggen din.",
        "Helsepersonell ser ikkje opplysningane utan at du samtykkjer eller det er ein naudsituasjon. "
        "Kvar gong nokon opnar dei, står det i loggen din.",
        "Health workers do not see the information unless you consent or there is an emergency. "
        "Every time somebody opens it, your log says so.",
    ),
    "record": Words(
        "Helsepersonell ser ikke dette svaret uten uttrykkelig samtykke eller i en nødssituasjon. "
        "Senere rettelser av det er også sperret.",
        "Helsepersonell ser ikkje dette svaret utan uttrykkeleg samtykke eller i ein naudsituasjon. "
        "Seinare rettingar av det er også sperra.",
        "Health workers do not see this result without explicit consent or in an emergency. "
        "Later corrections of it are restricted too.",
    ),
    "opt-out": Words(
        "Opplysningene stenges for helsepersonell med en gang. Angrer du ikke innen 30 dager, blir de slettet herfra. "
        "Journalen hos dem som behandlet deg, blir ikke slettet.",
        "Opplysningane blir stengde for helsepersonell med ein gong. Angrar du ikkje innan 30 dagar, blir dei sletta "
        "herifrå. Journalen hos dei som behandla deg, blir ikkje sletta.",
        "The information is closed to health workers at once. Unless you change your mind within 30 days, it is "
        "deleted from here. The records kept by those who treated you are not deleted.",
    ),
    "consent": Words(
        "De du samtykker for, kan se opplysningene så lenge samtykket varer. Du kan trekke det tilbake når du vil.",
        "Dei du samtykkjer for, kan sjå opplysningane så lenge samtykket varer. Du kan trekkje det tilbake når du vil.",
        "Those you consent for can see the information as long as the consent lasts. You can withdraw it at any time.",
    ),
}
"""Kind of choice -> what it does, told before it is saved."""


def says(rule_id: str, language: Language) -> str:
    """The rule's words, empty where the rule is no longer known (the row in the log still holds what it said then)."""
    words = RULE_WORDS.get(rule_id)
    return "" if words is None else str(getattr(words, language))
