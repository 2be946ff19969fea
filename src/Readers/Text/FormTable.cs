using System.Text.RegularExpressions;

namespace Kotonoha.Readers;

/// <summary>Tells forms (<c>Applicant | Noor Visser</c>, <c>Phone | 4471</c>) from tables of two columns whose first row is their
/// header.</summary>
/// <remarks>
/// The table has no row marked as header. It is a form if its first column alone is set off (header cells, bold, colons, a header row left
/// empty); or if at least half of its labels, two or more and the first among them, are as a whole names of what forms ask for while the
/// first row does not name another one beside; or if the values are of three kinds, which those below a header are not. In doubt it is a
/// table.
/// </remarks>
internal static partial class FormTable
{
    private const int MaxLabelLength = 40, MaxFieldWords = 2, MaxJapaneseFieldLength = 10, FewRows = 3, ManyKinds = 3;

    // What forms ask for is also what columns are called.
    private static readonly HashSet<string> FieldWords = new(StringComparer.OrdinalIgnoreCase)
    {
        "account", "address", "age", "allergies", "amount", "applicant", "approved", "approver", "area", "attendees", "author", "bank",
        "birth", "birthday", "budget", "building", "category", "city", "class", "client", "code", "color", "colour", "comment",
        "comments", "company", "contact", "contents", "cost", "country", "course", "created", "currency", "customer", "date", "day",
        "deadline", "department", "description", "destination", "detail", "details", "diagnosis", "division", "doctor", "due",
        "duration", "editor", "e-mail", "email", "emergency", "employee", "employer", "end", "event", "expires", "expiry", "fax", "fee",
        "field", "floor", "from", "gender", "grade", "guardian", "height", "hours", "iban", "id", "identifier", "information",
        "institution", "insurance", "issued", "issuer", "item", "job", "key", "language", "length", "licence", "license", "location",
        "mail", "manager", "manufacturer", "meaning", "mobile", "model", "month", "name", "nationality", "no", "note", "notes", "number",
        "occupation", "organisation", "organization", "origin", "owner", "parameter", "participants", "patient", "payment", "period",
        "person", "phone", "place", "position", "postcode", "price", "priority", "product", "project", "property", "purpose", "quantity",
        "reason", "recipient", "ref", "reference", "region", "remark", "remarks", "requested", "requester", "responsible", "reviewer",
        "revision", "role", "room", "school", "sender", "serial", "sex", "signature", "signed", "site", "size", "start", "state",
        "status", "street", "student", "subject", "submitted", "supervisor", "supplier", "surname", "team", "tel", "telephone", "term",
        "time", "title", "to", "topic", "total", "town", "type", "unit", "updated", "url", "valid", "validity", "value", "vendor",
        "venue", "version", "website", "weight", "width", "year", "zip", "abteilung", "adresse", "anschrift", "antragsteller", "art",
        "betrag", "betreff", "beruf", "datum", "dauer", "firma", "geburtsdatum", "grund", "kosten", "land", "menge", "nachname",
        "nummer", "ort", "plz", "preis", "raum", "straße", "telefon", "typ", "unterschrift", "vorname", "wert", "zeit", "zweck", "heure",
        "lieu", "montant", "motif", "nom", "numéro", "objet", "pays", "prix", "prénom", "service", "société", "statut", "téléphone",
        "valeur", "ville", "apellido", "apellidos", "asunto", "ciudad", "departamento", "dirección", "empresa", "estado", "fecha",
        "hora", "importe", "lugar", "motivo", "nombre", "número", "país", "precio", "solicitante", "teléfono", "valor", "aanvrager",
        "adres", "afdeling", "bedrag", "bedrijf", "naam", "plaats", "prijs", "reden", "telefoon", "waarde",
    };

    // What makes a field of another: first name, invoice date, date of issue.
    private static readonly HashSet<string> Qualifiers = new(StringComparer.OrdinalIgnoreCase)
    {
        "billing", "booking", "contract", "delivery", "family", "first", "full", "given", "home", "invoice", "issue", "last", "legal",
        "marital", "middle", "order", "passport", "postal", "registration", "shipping", "tax", "vat", "work", "zip",
    };

    private static readonly HashSet<string> Particles = new(StringComparer.OrdinalIgnoreCase) { "of", "the" };

    /// <summary>Whether rows are those of a form.</summary>
    /// <param name="rows">All rows of a table of two columns, or the pairs of one of four, none of which the document marks as
    /// header.</param>
    /// <param name="hasEmptyHeader">Whether the document has a row for headers and leaves it empty.</param>
    internal static bool Is(List<FormRow> rows, bool hasEmptyHeader)
    {
        if (!rows.TrueForAll(row => IsLabel(row.Label))
            || rows.DistinctBy(row => row.Label, StringComparer.OrdinalIgnoreCase).Count() < rows.Count)
            return false;
        if (rows.TrueForAll(row => row.IsLabelSetOff && !row.IsValueSetOff))
            return true;
        if (rows is [{ IsLabelSetOff: true, IsValueSetOff: true }, ..])
            return false;
        int colons = rows.Count(row => row.Label[^1] is ':' or '：');
        if (hasEmptyHeader || (colons * 3 >= rows.Count * 2 && (colons > 1 || rows.Count == 1)))
            return true;
        if (rows.Count < 2 || IsField(rows[0].Value))
            return false;
        int fields = rows.Count(row => IsField(row.Label));
        if (fields >= 2 && fields * 2 >= rows.Count && IsField(rows[0].Label))
            return true;
        var kinds = rows.Skip(1).Select(row => KindOf(row.Value)).Where(kind => kind != ValueKind.None).ToHashSet();
        return rows.Count > FewRows && kinds.Count >= ManyKinds && kinds.Overlaps([ValueKind.Address, ValueKind.Date]);
    }

    /// <summary>A form as lines; what is left empty in it says nothing.</summary>
    internal static string Lines(List<FormRow> rows)
        => string.Join('\n', rows.Where(row => row.Value.Length > 0).Select(row => $"{row.Label.TrimEnd(':', '：', ' ')}: {row.Value}"));

    private static bool IsLabel(string text)
        => text.Length is > 0 and <= MaxLabelLength && text.Any(char.IsLetter) && !char.IsDigit(text[0]) && !SentenceEnd().IsMatch(text);

    /// <summary>Whether a text as a whole, but for a note in brackets, is the name of something that forms ask for.</summary>
    private static bool IsField(string text)
    {
        if (text.Length > MaxLabelLength)
            return false;
        text = NoteAtEnd().Replace(text, "");
        var words = WordAt().Matches(text).Select(match => match.Value).Where(word => !Particles.Contains(word)).ToList();
        return (words.Count is > 0 and <= MaxFieldWords && words.Exists(FieldWords.Contains)
                && words.TrueForAll(word => FieldWords.Contains(word) || Qualifiers.Contains(word)))
            || (text.Length <= MaxJapaneseFieldLength && JapaneseField().IsMatch(text));
    }

    private static ValueKind KindOf(string value)
        => value.Length == 0 ? ValueKind.None
            : Address().IsMatch(value) ? ValueKind.Address
            : Date().IsMatch(value) ? ValueKind.Date
            : value.Any(char.IsDigit) ? ValueKind.Number : ValueKind.Text;

    private enum ValueKind
    {
        None,
        Text,
        Number,
        Date,
        Address,
    }

    [GeneratedRegex(@"[。！？!?]|[.;]\s")]
    private static partial Regex SentenceEnd();

    [GeneratedRegex(@"\s*(?:[(（][^()（）]*[)）])?\s*[:：]?$")]
    private static partial Regex NoteAtEnd();

    [GeneratedRegex(@"\p{L}[\p{L}-]*")]
    private static partial Regex WordAt();

    [GeneratedRegex(@"^\S+@\S+\.\S+$|^(?:https?://|www\.)|^\+\d")]
    private static partial Regex Address();

    [GeneratedRegex(@"^\d{4}[-/年.]\s?\d{1,2}\b|^\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|^\d{1,2}\.? \p{L}{3,9} \d{4}\b"
        + @"|^\p{L}{3,9} \d{1,2}, \d{4}\b|^\d{1,2}月\d{1,2}日")]
    private static partial Regex Date();

    [GeneratedRegex("(?:氏名|名前|名称|申請者?|住所|所在地|電話(?:番号)?|メール(?:アドレス)?|日付|日時|期間|期限|部署|所属|担当者?|番号|目的|理由|備考|金額|料金|価格|場所|会場"
        + "|種類|種別|状態|内容|件名|項目|値|説明|役職|職業|会社名?|年齢|性別|生年月日|国籍|人数|数量|締切|開始|終了|責任者|連絡先|曜日|時間|姓名|地址|电话|日期|部门|单位|编号)$")]
    private static partial Regex JapaneseField();
}

/// <summary>A row of two cells, and whether each is set off as what names others.</summary>
internal readonly record struct FormRow(string Label, string Value, bool IsLabelSetOff, bool IsValueSetOff);
