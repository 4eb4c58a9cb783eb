"""What the demo's customers say: about everything a web shop hears, in four languages.

Each message is meant to be found by its words alone, as intake finds it; `{n}` is an order number.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A text, its language, and what it is about (for people who read this file)."""

    language: str
    topic: str
    text: str


_NL = (
    ("fraud", "Er staat een bestelling van 240 euro op mijn naam die ik niet besteld heb. Help!"),
    ("fraud", "Ik denk dat mijn account gehackt is: er is een tv naar Breda verstuurd."),
    ("complaint", "Dit is de derde keer dat ik bel over bestelling {n}. Ik vind het schandalig."),
    ("complaint", "Ik wil een klacht indienen over hoe ik gisteren te woord ben gestaan."),
    ("late-delivery", "Waar blijft mijn pakket? Bestelling {n} zou dinsdag bezorgd worden."),
    ("late-delivery", "De koerier zegt dat hij er was, maar ik zat de hele dag thuis."),
    ("late-delivery", "Mijn pakje is nog niet binnen, terwijl de track and trace zegt van wel."),
    (
        "refund",
        "Ik heb de schoenen drie weken geleden teruggebracht. Wanneer krijg ik mijn geld terug?",
    ),
    ("refund", "Mag de restitutie van {n} op een andere bankrekening?"),
    ("return", "Hoe kan ik dit overhemd retour sturen? Het is de verkeerde maat."),
    ("return", "Ik wil de blauwe jas omruilen voor een groene, kan dat in de winkel?"),
    ("payment", "De betaling met iDEAL is twee keer afgeschreven voor bestelling {n}."),
    ("payment", "Mijn creditcard wordt geweigerd bij het afrekenen, wat nu?"),
    ("invoice", "Kunt u mij de factuur van {n} sturen met het btw-nummer van mijn bedrijf?"),
    ("invoice", "Op de rekening staat een ander bedrag dan in de winkelwagen."),
    ("technical", "De stofzuiger werkt niet meer, na twee weken. Er komt een foutmelding E4."),
    ("technical", "Het koffiezetapparaat doet het niet: het lampje blijft rood."),
    ("technical", "De kast is bij de deur kapot aangekomen, een scharnier is los."),
    ("account", "Ik ben mijn wachtwoord vergeten en krijg geen mail om het te herstellen."),
    ("account", "Ik ga verhuizen; hoe geef ik mijn adreswijziging door?"),
    ("business-quote", "Wij zoeken veertig bureaustoelen. Kunt u een offerte maken?"),
    ("order", "Kan ik bestelling {n} nog annuleren? Ik heb de verkeerde kleur gekozen."),
    ("order", "Ik wil aan {n} nog een artikel toevoegen, kunt u dat wijzigen?"),
    ("advice", "Welke maat moet ik nemen als ik tussen 41 en 42 in zit?"),
    ("advice", "Hebben jullie de rode lamp nog op voorraad in Utrecht?"),
)
_EN = (
    ("fraud", "There is a charge for a phone I did not order. I think somebody uses my account."),
    ("fraud", "I got a phishing mail that looks like yours and I clicked the link. What now?"),
    ("complaint", "This is unacceptable: the third time I explain the same thing about {n}."),
    ("complaint", "I would like to complain about the way your driver spoke to my mother."),
    ("late-delivery", "My parcel has not arrived. Order {n} was due on Monday."),
    ("late-delivery", "The tracking page has said 'out for delivery' for four days."),
    ("late-delivery", "The courier left the package in the rain and now it is soaked."),
    ("refund", "When will I get my refund for {n}? I sent everything back two weeks ago."),
    ("refund", "I was promised my money back within five days. It has been ten."),
    ("return", "How do I return a dress that is the wrong size? I bought it as a gift."),
    ("return", "Can I exchange the trainers for a half size up at the shop in Leiden?"),
    ("payment", "I was charged twice for order {n}, once on Friday and once on Saturday."),
    ("payment", "Your checkout keeps saying my credit card was declined, but the bank says no."),
    ("invoice", "Please send an invoice with VAT for {n}; my accountant needs it."),
    ("invoice", "The bill shows a gift wrap I never asked for."),
    ("technical", "The headphones are not working on the left side since this morning."),
    ("technical", "I cannot install the printer, it shows the error message 0x61."),
    ("technical", "The kettle arrived broken, the lid does not close."),
    ("account", "I cannot log in any more, and the password mail never comes."),
    ("account", "Please stop the newsletter; I asked for that last month too."),
    ("business-quote", "We would like a quote for 120 mugs with our logo, for May."),
    ("order", "Can I still change the colour of order {n}? I picked grey and want black."),
    ("order", "Please cancel {n}, I found out my sister bought the same thing."),
    ("advice", "Is the oak table in stock, and which size fits a room of three by four metres?"),
    ("advice", "What tent would you recommend for two weeks in Norway?"),
)
_DE = (
    ("fraud", "Ich habe eine Rechnung für eine Uhr bekommen, die ich nicht bestellt habe."),
    ("fraud", "Jemand hat mein Konto gehackt und die Lieferadresse geändert."),
    ("complaint", "Ich möchte mich beschweren: zum dritten Mal erkläre ich die Sache mit {n}."),
    ("complaint", "Ich bin sehr enttäuscht, wie mit mir am Telefon umgegangen wurde."),
    ("late-delivery", "Wo bleibt mein Paket? Die Sendung {n} sollte am Mittwoch da sein."),
    ("late-delivery", "Laut Zusteller war niemand da, aber ich war den ganzen Tag zu Hause."),
    ("late-delivery", "Die Lieferung ist nicht angekommen, der Nachbar weiß auch von nichts."),
    ("refund", "Wann wird mir der Betrag für {n} erstattet? Es sind schon drei Wochen."),
    ("refund", "Ich warte auf die Rückerstattung und hätte gern das Geld zurück aufs Konto."),
    ("return", "Die Hose hat die falsche Größe. Wie kann ich sie zurückschicken?"),
    ("return", "Kann ich den Pullover in einer Filiale umtauschen?"),
    ("payment", "Der Betrag wurde zweimal von meiner Kreditkarte abgebucht."),
    ("payment", "Die Zahlung geht nicht durch, obwohl genug auf dem Konto ist."),
    ("invoice", "Bitte schicken Sie mir die Rechnung zu {n} mit ausgewiesener Mehrwertsteuer."),
    ("technical", "Der Staubsauger funktioniert nicht mehr, er riecht verbrannt."),
    ("technical", "Die Lampe ist kaputt angekommen, das Glas hat einen Sprung."),
    ("technical", "Beim Drucker steht eine Fehlermeldung, und ich kann ihn nicht installieren."),
    ("account", "Ich kann mich nicht anmelden, mein Passwort wird nicht angenommen."),
    ("account", "Bitte nehmen Sie mich aus dem Newsletter, ich bekomme ihn täglich."),
    ("business-quote", "Wir brauchen ein Angebot über 60 Schreibtische für unser Büro in Kleve."),
    ("order", "Ich möchte {n} stornieren, ich habe mich in der Farbe geirrt."),
    ("order", "Kann ich meine Bestellung noch ändern? Es fehlt ein zweites Kissen."),
    ("advice", "Ist das Sofa in Grün auf Lager, und passt es durch eine schmale Tür?"),
    ("advice", "Welche Größe empfehlen Sie bei 1,84 m und langen Armen?"),
)
_FR = (
    ("fraud", "On a utilisé ma carte pour un achat que je n'ai pas commandé, c'est une fraude."),
    ("fraud", "Mon compte a été piraté, l'adresse n'est plus la mienne."),
    ("complaint", "C'est la troisième fois que j'explique mon problème, c'est inadmissible."),
    ("complaint", "Je souhaite déposer une réclamation sur l'accueil en magasin."),
    ("late-delivery", "Où est mon colis ? La livraison {n} était prévue lundi."),
    ("late-delivery", "Le transporteur dit être passé, mais j'étais chez moi toute la journée."),
    ("late-delivery", "Je n'ai pas reçu mon paquet, et le suivi ne bouge plus depuis jeudi."),
    ("refund", "Quand serai-je remboursé pour {n} ? J'ai tout renvoyé il y a deux semaines."),
    ("refund", "Le remboursement promis n'est toujours pas sur mon compte."),
    ("return", "Comment renvoyer une robe qui n'est pas à la bonne taille ?"),
    ("return", "Puis-je échanger ces baskets contre une pointure au-dessus ?"),
    ("payment", "J'ai été débité deux fois pour la même chose."),
    ("payment", "Ma carte bancaire est refusée au moment de payer."),
    ("invoice", "Pouvez-vous m'envoyer la facture de {n} avec la TVA ?"),
    ("technical", "L'aspirateur est en panne après un mois seulement."),
    ("technical", "La lampe est arrivée cassée, le pied est fendu."),
    ("technical", "La cafetière ne fonctionne pas, le voyant clignote."),
    ("account", "J'ai oublié mon mot de passe et la connexion est impossible."),
    ("account", "Je déménage, où puis-je saisir ma nouvelle adresse ?"),
    ("business-quote", "Pourriez-vous nous faire un devis pour trente fauteuils de bureau ?"),
    ("order", "Je voudrais annuler {n}, je me suis trompée de couleur."),
    ("order", "Est-il encore possible de modifier ma commande {n} ?"),
    ("advice", "Cette table est-elle en stock, et quelle taille pour six personnes ?"),
    ("advice", "Que me conseillez-vous comme tente pour une famille de quatre ?"),
)
_WRITTEN = {"nl": _NL, "en": _EN, "de": _DE, "fr": _FR}

MESSAGES = tuple(
    Message(language, topic, text)
    for language, written in _WRITTEN.items()
    for topic, text in written
)

FOLLOW_UPS = {
    "nl": ("Is er al nieuws?", "O ja, het gaat om nummer {n}.", "Ik heb er een foto bij gedaan."),
    "en": ("Any news on this?", "I forgot: the number is {n}.", "I have added a photo."),
    "de": ("Gibt es schon etwas Neues?", "Die Nummer ist {n}.", "Ich habe ein Foto angehängt."),
    "fr": ("Avez-vous des nouvelles ?", "J'oubliais : le numéro est {n}.", "J'ai joint une photo."),
}

REPLIES = {
    "nl": "Dank u wel. Ik heb het voor u uitgezocht en regel het vandaag.",
    "en": "Thank you. I have looked into it and will settle it today.",
    "de": "Vielen Dank. Ich habe es geprüft und kümmere mich heute darum.",
    "fr": "Merci. J'ai vérifié et je m'en occupe aujourd'hui.",
}

FIRST_NAMES = {
    "nl": ("Joan", "Sjoerd", "Maud", "Teun", "Fenna", "Ruben", "Lieke", "Wim", "Saar", "Joost"),
    "en": ("Alice", "Omar", "Grace", "Liam", "Priya", "Tom", "Ruth", "Sean", "Amy", "Colin"),
    "de": ("Anke", "Jürgen", "Greta", "Lukas", "Heike", "Emre", "Silke", "Paul", "Ute", "Kai"),
    "fr": ("Camille", "Luc", "Amélie", "Noé", "Inès", "Hugo", "Chloé", "René", "Zoé", "Yann"),
}
LAST_NAMES = ("Bakker", "Smith", "Vogel", "Martin", "de Wit", "Okafor", "Krause", "Petit", "Visser")
