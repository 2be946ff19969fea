using System.Globalization;

namespace Kotonoha.Tests.Planted;

/// <summary>Plants the facts of one language.</summary>
internal sealed class Planter
{
    // Of the answerable questions: lists, procedures and conditions; the rest asks for attributes of things.
    private const double ListShare = 0.12, ProcedureShare = 0.15, ConditionShare = 0.13;
    private const int AskedPerFamily = 6;

    private static readonly string[] Forms = ["prose", "documents", "table", "labels", "mixed", "csv"];

    private readonly PlantedWords _words;
    private readonly PlantedDraw _draw;
    private readonly string _language;
    private readonly List<Draft> _answerable = [];
    private readonly List<Draft> _unanswerable = [];
    private int _documents;

    internal Planter(int seed, string language)
    {
        _words = PlantedWords.Load(language);
        _draw = new PlantedDraw(seed * 2 + (language == "ja" ? 1 : 0), language, _words);
        _language = language;
    }

    internal List<PlantedDocument> Documents { get; } = [];

    /// <summary>Makes documents until there are enough questions of every kind.</summary>
    internal IReadOnlyList<Draft> Plant(int answerable, int unanswerable)
    {
        double[] shares = [ListShare, ProcedureShare, ConditionShare];
        var kinds = new (Func<int, int> Of, Action<int> Plant)[]
        {
            (count => count - shares.Sum(share => Part(count, share)), PlantFamily),
            (count => Part(count, ListShare), PlantLists),
            (count => Part(count, ProcedureShare), PlantProcedures),
            (count => Part(count, ConditionShare), PlantConditions),
        };
        var asked = new List<Draft>();
        foreach (var (of, plant) in kinds)
        {
            int wanted = of(answerable), missing = of(unanswerable);
            _answerable.Clear();
            _unanswerable.Clear();
            int families = 0;
            while (_answerable.DistinctBy(draft => draft.Text).Count() < wanted
                || _unanswerable.DistinctBy(draft => draft.Text).Count() < missing)
                plant(families++);
            asked.AddRange(Evenly(_answerable, wanted));
            asked.AddRange(Evenly(_unanswerable, missing));
        }

        return asked;

        static int Part(int count, double share) => (int)Math.Round(count * share);
    }

    private IEnumerable<Draft> Evenly(List<Draft> drafts, int count)
        => _draw.Some(drafts.DistinctBy(draft => draft.Text), drafts.Count).GroupBy(draft => draft.Kind)
            .SelectMany(group => group.Select((draft, i) => (draft, Order: (i + 0.5) / group.Count())))
            .OrderBy(pair => pair.Order).Take(count).Select(pair => pair.draft);

    private PlantedDocument Document(string topic, params string[] formats)
    {
        var document = new PlantedDocument($"{_language}-{topic}-{++_documents:D3}.{_draw.One(formats)}", _draw.IsJapanese);
        Documents.Add(document);
        return document;
    }

    // Things with attributes.

    private sealed record Family(World World, string Name, string Noun, string Letters, string[] Members, string Ghost)
    {
        internal (string, string)[] Values(string member) => [("x", member), ("f", Name), ("n", Noun), ("l", Letters)];
    }

    private Family DrawFamily(World world)
    {
        var letters = _draw.Letters();
        int size = _draw.Random.Next(4, 7);
        string[] names;
        if (world.Members.Years is { } years)
        {
            int first = _draw.Random.Next(years[0], years[1] - size);
            names = [.. Enumerable.Range(first, size + 1).Select(year => year.ToString(CultureInfo.InvariantCulture))];
            // The year that is missing lies before or after the others.
            if (_draw.Chance(0.5))
                names = [.. names.Skip(1), names[0]];
        }
        else if (world.Members.Range is { } range)
        {
            int first = _draw.Random.Next(0, (range[1] - range[0]) / range[2] - size - 2);
            names = _draw.Some(Enumerable.Range(first, size + 1)
                .Select(i => PlantedDraw.Fill(world.Members.Form!, ("l", letters), ("i", $"{range[0] + i * range[2]}"))), size + 1);
            Array.Sort(names, 0, size, StringComparer.Ordinal);
        }
        else
        {
            var list = _draw.One(world.Members.Lists!);
            names = _draw.Some(list, Math.Min(size, list.Count - 1) + 1);
        }

        return new Family(world, _draw.Value(world.Family), _draw.One(world.Nouns), letters, names[..^1], names[^1]);
    }

    private void PlantFamily(int number)
    {
        var world = _words.Worlds[number % _words.Worlds.Count];
        var form = Forms[(number + number / _words.Worlds.Count) % Forms.Length];
        var family = DrawFamily(world);
        var stated = _draw.Some(world.Attributes, _draw.Random.Next(4, 6));
        var facts = new Dictionary<(string Member, string Attribute), string>();
        foreach (var member in family.Members)
            foreach (var attribute in stated)
                if (!_draw.Chance(0.12))
                    facts[(member, attribute.Id)] = _draw.Value(attribute.V);
        if (form == "documents")
        {
            foreach (var member in family.Members)
            {
                var document = Document(world.Id, "md", "html", "docx", "txt");
                var heading = Fill(_draw.One(world.Heading), family, member);
                var title = Fill(_draw.One(world.Title), family, member);
                document.Add(PieceKind.Title, title.Contains(member, StringComparison.Ordinal) ? title : $"{title} – {heading}");
                Prose(document, family, member, stated, facts, null);
            }
        }
        else if (form is "table" or "csv")
        {
            var document = form == "csv" ? Document(world.Id, "csv") : Document(world.Id, "md", "html", "docx");
            document.Add(PieceKind.Title, FamilyTitle(family));
            if (form != "csv")
                document.Add(PieceKind.Paragraph, _draw.One(Plain(_words.Fillers)));
            // Of a file without a title the rows say whose they are, unless the thing's own name does.
            bool isNamed = world.Members.Years is null && world.Ask.Any(ask => ask == "the {x}" || ask == "{x}");
            Table(document, family, stated, facts, form == "csv" && !isNamed);
        }
        else
        {
            var document = Document(world.Id, "md", "html", "docx");
            document.Add(PieceKind.Title, FamilyTitle(family));
            var (told, tabled) = form == "mixed" ? (stated[..2], stated[2..]) : (stated, []);
            foreach (var member in family.Members)
            {
                document.Add(PieceKind.Heading, Fill(_draw.One(world.Heading), family, member));
                if (form == "labels")
                    Labels(document, family, member, told, facts);
                else
                    Prose(document, family, member, told, facts, number % 2 == 0 ? null : family.Members);
            }

            if (tabled.Length > 0)
            {
                document.Add(PieceKind.Heading, _draw.IsJapanese ? "一覧表" : "Overview");
                Table(document, family, tabled, facts, false);
            }
        }

        foreach (var (member, id) in _draw.Some(facts.Keys, AskedPerFamily))
            _answerable.Add(Ask(family, member, stated.First(attribute => attribute.Id == id), $"{world.Id}/{form}",
                Key(family, member, id)));
        var known = _draw.One(stated);
        _unanswerable.Add(Ask(family, family.Ghost, known, "no-sibling"));
        var unknown = world.Attributes.Except(stated).ToArray();
        _unanswerable.Add(Ask(family, _draw.One(family.Members), _draw.One(unknown), "no-attribute"));
        var gaps = family.Members.SelectMany(member => stated.Select(attribute => (member, attribute)))
            .Where(pair => !facts.ContainsKey((pair.member, pair.attribute.Id)) && Told(family, pair.member, pair.attribute, facts))
                .ToArray();
        if (gaps.Length > 0 && _draw.One(gaps) is var gap)
            _unanswerable.Add(Ask(family, gap.member, gap.attribute, "sibling-attribute"));
    }

    // A report of the next year may still tell what the year's own does not: no such question is asked.
    private static bool Told(
        Family family, string member, PlantedAttribute attribute, Dictionary<(string, string), string> facts)
        => family.World.Members.Years is null && family.Members.Any(other => other != member && facts.ContainsKey((other, attribute.Id)));

    private string FamilyTitle(Family family)
        => Fill(_draw.One(family.World.Title.Where(title => !title.Contains("{x}", StringComparison.Ordinal)).ToArray()), family, "");

    private static IReadOnlyList<string> Plain(IReadOnlyList<string> fillers)
        => [.. fillers.Where(filler => !filler.Contains("{e}", StringComparison.Ordinal))];

    private static string Key(Family family, string member, string attribute) => $"{family.Name}|{family.Letters}|{member}|{attribute}";

    private static string Fill(string template, Family family, string member, params (string, string)[] more)
        => PlantedDraw.Fill(template, [.. more, .. family.Values(member)]);

    private string Entity(IReadOnlyList<string> names, Family family, string member)
    {
        var template = _draw.One(names);
        foreach (var (key, value) in family.Values(member))
            template = template.Replace($"{{{key}}}", value, StringComparison.Ordinal);
        return template;
    }

    private Draft Ask(Family family, string member, PlantedAttribute attribute, string kind, params string[] facts)
        => new(Fill(_draw.One(attribute.Ask), family, member, ("e", Entity(family.World.Ask, family, member))), kind, facts);

    private void Prose(
        PlantedDocument document, Family family, string member, PlantedAttribute[] attributes,
        Dictionary<(string Member, string Attribute), string> facts, string[]? comparedWith)
    {
        bool first = true;
        foreach (var attribute in _draw.Some(attributes, attributes.Length))
        {
            if (!facts.TryGetValue((member, attribute.Id), out var value))
                continue;
            // The first sentence names the thing; later ones may say "it".
            var template = first || _draw.Chance(0.35) ? _draw.One(attribute.Say) : _draw.One(attribute.It);
            var stated = State(family, member, template, value, Key(family, member, attribute.Id), out var text);
            if (family.World.Members.Years is not null && comparedWith is not null && attribute.Id != "director"
                && Before(member) is var before && facts.TryGetValue((before, attribute.Id), out var earlier))
            {
                var end = _draw.IsJapanese ? "。" : ".";
                var opening = _draw.IsJapanese ? $"（{before}年度は" : $" ({before}: ";
                int at = text.Length - end.Length + opening.Length;
                text = text[..^end.Length] + opening + earlier + (_draw.IsJapanese ? "）。" : ").");
                document.Add(first ? PieceKind.Paragraph : PieceKind.Sentence, text, stated,
                    new Stated(Key(family, before, attribute.Id), 0, at, earlier));
            }
            else
            {
                document.Add(first ? PieceKind.Paragraph : PieceKind.Sentence, text, stated);
            }

            first = false;
            if (_draw.Chance(0.25))
                document.Add(PieceKind.Sentence,
                    Fill(_draw.One(_words.Fillers), family, member, ("e", Entity(family.World.Doc, family, member))));
        }

        if (first)
            document.Add(PieceKind.Paragraph, _draw.One(Plain(_words.Fillers)));
    }

    private static string Before(string year)
        => (int.Parse(year, CultureInfo.InvariantCulture) - 1).ToString(CultureInfo.InvariantCulture);

    private Stated State(Family family, string member, string template, string value, string fact, out string text)
    {
        var parts = template.Replace("{e}", Entity(family.World.Doc, family, member), StringComparison.Ordinal).Split("{v}");
        // A value at the start of the sentence begins with a capital letter, as the text does.
        var head = parts[0].Length == 0 ? "" : Fill(parts[0], family, member);
        var shown = parts[0].Length == 0 ? PlantedDraw.Capital(value) : value;
        var tail = parts[1].Length == 0 ? "" : " " + parts[1];
        tail = tail.Length == 0 ? "" : Fill(tail, family, member)[1..];
        text = head + shown + tail;
        return new Stated(fact, 0, head.Length, shown);
    }

    private void Labels(
        PlantedDocument document, Family family, string member, PlantedAttribute[] attributes,
        Dictionary<(string Member, string Attribute), string> facts)
    {
        var colon = _draw.IsJapanese ? "：" : ": ";
        foreach (var attribute in attributes)
            if (facts.TryGetValue((member, attribute.Id), out var value))
                document.Add(PieceKind.Item, attribute.Head[0] + colon + value,
                    new Stated(Key(family, member, attribute.Id), 0, attribute.Head[0].Length + colon.Length, value));
    }

    private void Table(
        PlantedDocument document, Family family, PlantedAttribute[] attributes,
        Dictionary<(string Member, string Attribute), string> facts, bool withFamily)
    {
        var heads = attributes.Select(attribute => _draw.One(attribute.Head)).ToArray();
        // A file of nothing but rows says in each whose it is.
        string[] owner = withFamily ? [_draw.IsJapanese ? "名称" : "Name"] : [];
        document.Pieces.Add(new Piece(PieceKind.Header, [.. owner, _draw.One(family.World.Key), .. heads], []));
        foreach (var member in family.Members)
        {
            string[] lead = withFamily ? [family.Name, member] : [member];
            var values = attributes.Select(attribute => facts.GetValueOrDefault((member, attribute.Id), "–")).ToArray();
            document.Pieces.Add(new Piece(PieceKind.Row, [.. lead, .. values],
                [.. attributes.Select((attribute, i) => new Stated(Key(family, member, attribute.Id), lead.Length + i, 0, values[i]))
                    .Where(stated => stated.Value != "–")]));
        }
    }

    // Lists.

    private void PlantLists(int number)
    {
        var topic = _words.Lists[number % _words.Lists.Count];
        var family = _draw.Value(topic.Family);
        var members = _draw.Some(topic.Members, 4);
        var document = Document(topic.Id, "md", "html", "docx");
        document.Add(PieceKind.Title, PlantedDraw.Fill(_draw.One(topic.Title), ("f", family)));
        document.Add(PieceKind.Paragraph, _draw.One(Plain(_words.Fillers)));
        var lead = _draw.One(topic.Lead);
        foreach (var member in members[..^1])
        {
            var items = topic.Items.Count == 1
                ? [.. Enumerable.Range(0, _draw.Random.Next(3, 6)).Select(_ => _draw.Value(topic.Items[0])).Distinct()]
                : _draw.Some(topic.Items, _draw.Random.Next(3, 6));
            if (number % 2 == 0)
                document.Add(PieceKind.Heading, PlantedDraw.Capital(member));
            document.Add(PieceKind.Paragraph, PlantedDraw.Fill(lead, ("x", member), ("f", family)));
            var facts = items.Select(item => $"{family}|{member}|{item}").ToArray();
            for (int i = 0; i < items.Length; i++)
                document.Add(PieceKind.Item, items[i], new Stated(facts[i], 0, 0, items[i]));
            _answerable.Add(new Draft(PlantedDraw.Fill(_draw.One(topic.Ask), ("x", member), ("f", family)), "list", facts));
        }

        _unanswerable.Add(new Draft(PlantedDraw.Fill(_draw.One(topic.Ask), ("x", members[^1]), ("f", family)), "no-list"));
    }

    // Procedures.

    private void PlantProcedures(int number)
    {
        var procedure = _words.Procedures[number % _words.Procedures.Count];
        var family = DrawFamily(_words.Worlds[0]);
        var document = Document("procedure-" + procedure.Id, "md", "html", "docx", "txt");
        document.Add(PieceKind.Title, _draw.IsJapanese
            ? $"{family.Name} {family.Noun}の取扱説明" : $"Operating the {family.Name} {family.Noun}s");
        string title = _draw.One(procedure.Title), lead = _draw.One(procedure.Lead);
        foreach (var member in family.Members[..3])
        {
            document.Add(PieceKind.Heading, Fill(title, family, member, ("e", Entity(family.World.Doc, family, member))));
            if (lead.Length > 0)
                document.Add(PieceKind.Paragraph, lead);
            var steps = procedure.Steps.ToList();
            if (_draw.Chance(0.5))
                steps.RemoveAt(_draw.Random.Next(1, steps.Count));
            var facts = new List<string>();
            foreach (var step in steps)
            {
                facts.Add($"{family.Name}|{family.Letters}|{member}|{procedure.Id}|{facts.Count}");
                var value = _draw.Value(step.V);
                var stated = State(family, member, step.Say, value, facts[^1], out var text);
                document.Add(PieceKind.Step, text, stated);
            }

            int at = _draw.Random.Next(steps.Count);
            Add(_answerable, _draw.One(steps[at].Ask), member, "step", facts[at]);
            at = _draw.Random.Next(steps.Count);
            Add(_answerable, _draw.One(steps[at].Ask), member, "step", facts[at]);
            Add(_answerable, _draw.One(procedure.How), member, "procedure", [.. facts]);
            at = _draw.Random.Next(steps.Count - 1);
            if (steps[at].Did is { } did)
                Add(_answerable, _draw.One(procedure.After).Replace("{did}", did, StringComparison.Ordinal), member, "next-step",
                    facts[at + 1]);
        }

        Add(_unanswerable, _draw.One(_draw.One(procedure.Steps).Ask), family.Ghost, "no-step");
        Add(_unanswerable, _draw.One(procedure.How), family.Ghost, "no-procedure");
        var other = _draw.One(_words.Procedures.Where(one => one.Id != procedure.Id).ToArray());
        Add(_unanswerable, _draw.One(other.How), family.Members[0], "no-procedure");

        void Add(List<Draft> drafts, string ask, string member, string kind, params string[] facts)
            => drafts.Add(new Draft(Fill(ask, family, member, ("e", Entity(family.World.Ask, family, member))), kind, facts));
    }

    // Conditions.

    private void PlantConditions(int number)
    {
        var topic = _words.Conditions[number % _words.Conditions.Count];
        var family = _draw.Value(topic.Family);
        var cases = _draw.Some(topic.Cases, topic.Cases.Count);
        bool listed = _draw.Chance(0.4);
        var document = Document("rules-" + topic.Id, "md", "html", "docx", "txt");
        document.Add(PieceKind.Title, PlantedDraw.Fill(_draw.One(topic.Title), ("f", family)));
        bool first = true;
        foreach (var one in cases[..^1])
        {
            var fact = $"{family}|{one.Ask[0]}";
            var parts = _draw.One(one.Say).Split("{v}");
            var value = _draw.One(one.V);
            document.Add(listed ? PieceKind.Item : first ? PieceKind.Paragraph : PieceKind.Sentence, parts[0] + value + parts[1],
                new Stated(fact, 0, parts[0].Length, value));
            first = false;
            _answerable.Add(new Draft(PlantedDraw.Fill(_draw.One(one.Ask), ("f", family)), "condition", fact));
        }

        _unanswerable.Add(new Draft(PlantedDraw.Fill(_draw.One(cases[^1].Ask), ("f", family)), "no-case"));
    }
}
