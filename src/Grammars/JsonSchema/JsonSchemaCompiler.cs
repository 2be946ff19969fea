using System.Text.Json;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.JsonSchema;

/// <summary>
/// Compiles a JSON schema. What must hold at one place is a set of schema objects (a property may be described by several members of
/// <c>allOf</c>); each set is compiled once for each depth that is left below it.
/// </summary>
internal sealed partial class JsonSchemaCompiler
{
    private const int MaximumAlternatives = 512;
    private const int MaximumRules = 50_000;
    private const int MaximumCounted = 10_000;

    private readonly SchemaPlaces _places;
    private readonly JsonSchemaOptions _options;
    private readonly Dictionary<(string Key, int Depth), Node> _compiled = [];
    private readonly Dictionary<string, int> _heights = new(StringComparer.Ordinal);
    private readonly Node _comma;
    private readonly Node _colon;

    public JsonSchemaCompiler(JsonElement schema, JsonSchemaOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaximumDepth, nameof(options.MaximumDepth));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaximumDepth, JsonText.MaximumDepth, nameof(options.MaximumDepth));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaximumDigits, 1, nameof(options.MaximumDigits));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaximumDigits, 18, nameof(options.MaximumDigits));
        _options = options;
        _places = new SchemaPlaces(schema);
        (_comma, _colon) = options.AllowBlanks ? (JsonText.Comma, JsonText.Colon) : (Node.Literal(","), Node.Literal(":"));
    }

    /// <summary>The grammar of the whole schema.</summary>
    public Node Compile()
    {
        var node = Compile([_places.Root], _options.MaximumDepth);
        return node != Node.Nothing ? node : throw new GrammarException(
            GrammarError.Unsatisfiable, $"Nothing that may be nested {_options.MaximumDepth} deep satisfies the schema.", "#");
    }

    // The values that satisfy all of some schemas, with at most so many objects and arrays in each other.
    private Node Compile(IReadOnlyList<SchemaPlace> all, int depth)
    {
        var alternatives = Alternatives(all);
        var nodes = new List<Node>();
        foreach (var atoms in alternatives)
            nodes.Add(CompileAtoms(atoms, depth));
        return Node.Choice([.. nodes]);
    }

    private Node CompileAtoms(SchemaAtoms atoms, int depth)
    {
        if (atoms.All.Count == 0)
            return JsonText.Value(Math.Min(depth, JsonText.DefaultDepth));

        // What cannot be deeper anyway is one rule at every depth.
        depth = Math.Min(depth, Height(atoms));
        if (_compiled.TryGetValue((atoms.Key, depth), out var known))
            return known;
        if (_compiled.Count >= MaximumRules)
            throw new GrammarException(GrammarError.TooComplex,
                $"The schema needs more than {MaximumRules} rules; lower JsonSchemaOptions.MaximumDepth, or use a simpler schema.");
        var node = JsonText.Rule(atoms.Key, CompileBody(atoms, depth));
        _compiled.Add((atoms.Key, depth), node);
        return node;
    }

    private Node CompileBody(SchemaAtoms atoms, int depth)
    {
        var types = atoms.Types;
        if (atoms.FindEnumeration() is { } values)
            return Enumeration(atoms, values, types, depth);
        return ByType(atoms, types, depth);
    }

    private Node ByType(SchemaAtoms atoms, JsonTypes types, int depth)
    {
        var options = new List<Node>();
        if (types.HasFlag(JsonTypes.Object))
            options.Add(Object(atoms, depth));
        if (types.HasFlag(JsonTypes.Array))
            options.Add(Array(atoms, depth));
        if (types.HasFlag(JsonTypes.String))
            options.Add(String(atoms));
        if (types.HasFlag(JsonTypes.Integer))
            options.Add(Number(atoms, types.HasFlag(JsonTypes.Fraction)));
        if (types.HasFlag(JsonTypes.Boolean))
            options.Add(JsonText.Boolean);
        if (types.HasFlag(JsonTypes.Null))
            options.Add(JsonText.Null);
        return Node.Choice([.. options]);
    }

    private Node Enumeration(SchemaAtoms atoms, List<JsonElement> values, JsonTypes types, int depth)
    {
        // What the other keywords say of a value is asked of their own grammar.
        Grammar? others = null;
        bool hasOthers = atoms.HasKeywords(k => k is not ("type" or "enum" or "const"));
        var texts = new List<byte[]>();
        foreach (var value in values)
        {
            if (!types.HasFlag(JsonType.Of(value)))
                continue;
            string text = JsonType.Write(value);
            if (hasOthers)
            {
                var node = others?.Root ?? ByType(atoms, types, depth);
                if (node == Node.Nothing)
                    return node;
                others ??= new Grammar(node);
                if (!others.Matches(text))
                    continue;
            }

            if (JsonType.Depth(value) <= depth)
                texts.Add(System.Text.Encoding.UTF8.GetBytes(text));
        }

        return DfaNode.AnyOf(texts);
    }

    private Node Number(SchemaAtoms atoms, bool fraction)
    {
        DecimalText? minimum = null, maximum = null;
        bool minimumOut = false, maximumOut = false;
        var multipleOf = new List<DecimalText>();
        foreach (var (place, name, value) in atoms.Keywords())
        {
            switch (name)
            {
                case "minimum" or "exclusiveMinimum":
                    Tighten(ref minimum, ref minimumOut, ReadNumber(place, name, value), name == "exclusiveMinimum", 1);
                    break;
                case "maximum" or "exclusiveMaximum":
                    Tighten(ref maximum, ref maximumOut, ReadNumber(place, name, value), name == "exclusiveMaximum", -1);
                    break;
                case "multipleOf":
                    var divisor = ReadNumber(place, name, value);
                    if (divisor.IsNegative || divisor.IsZero)
                        throw place.Malformed(name, "a number above 0");
                    multipleOf.Add(divisor);
                    break;
            }
        }

        if (!fraction && _options.Limits32BitIntegers && !atoms.Keywords().Any(k => k.Name == "format" && IsLong(k.Value)))
        {
            minimum = minimum is null && !(maximum?.CompareTo(Smallest) < 0) ? Smallest : minimum;
            maximum = maximum is null && !(minimum!.CompareTo(Largest) > 0) ? Largest : maximum;
        }

        if (minimum is null && maximum is null && multipleOf.Count == 0 && fraction && _options.MaximumDigits == JsonNumber.MaximumDigits)
            return SimpleNumber;
        return JsonText.Rule("number", JsonNumber.Within(
            new NumberBounds(minimum, minimumOut, maximum, maximumOut, multipleOf), fraction, _options.MaximumDigits));
    }

    private static readonly DecimalText Smallest = DecimalText.Parse("-2147483648")!;
    private static readonly DecimalText Largest = DecimalText.Parse("2147483647")!;

    private static bool IsLong(JsonElement format)
        => format.ValueKind == JsonValueKind.String && format.GetString() is "int64" or "uint64";

    private static Node SimpleNumber { get; } =
        JsonText.Rule("number", JsonNumber.Within(new NumberBounds(null, false, null, false, []), true, JsonNumber.MaximumDigits));

    private static void Tighten(ref DecimalText? bound, ref bool isOut, DecimalText value, bool exclusive, int direction)
    {
        int order = bound is null ? 1 : value.CompareTo(bound) * direction;
        if (order > 0)
            (bound, isOut) = (value, exclusive);
        else if (order == 0)
            isOut |= exclusive;
    }

    private static DecimalText ReadNumber(SchemaPlace place, string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && DecimalText.Parse(value.GetRawText()) is { } number
            ? number
            : throw place.Malformed(name, "a number");

    private static int ReadCount(SchemaPlace place, string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= 0 && number == Math.Floor(number)
            ? (int)Math.Min(number, int.MaxValue - 1)
            : throw place.Malformed(name, "a whole number, 0 or more");

    // The least of the maxima and the greatest of the minima.
    private static (int Minimum, int? Maximum) Counts(SchemaAtoms atoms, string minimumName, string maximumName)
    {
        int minimum = 0;
        int? maximum = null;
        foreach (var (place, name, value) in atoms.Keywords())
        {
            if (name == minimumName)
                minimum = Math.Max(minimum, ReadCount(place, name, value));
            else if (name == maximumName)
                maximum = Math.Min(maximum ?? int.MaxValue, ReadCount(place, name, value));
        }

        return (minimum, maximum);
    }

    // How deep values may become; recursion counts as endless.
    private int Height(SchemaAtoms atoms)
    {
        if (_heights.TryGetValue(atoms.Key, out int known))
            return known;
        _heights[atoms.Key] = int.MaxValue;
        int height = 0;
        if (atoms.FindEnumeration() is { } values)
        {
            height = values.Count == 0 ? 0 : values.Max(JsonType.Depth);
        }
        else
        {
            foreach (var below in Below(atoms))
            {
                int most = below.Count == 0 ? JsonText.DefaultDepth : 0;
                foreach (var alternative in Alternatives(below))
                    most = Math.Max(most, alternative.All.Count == 0 ? JsonText.DefaultDepth : Height(alternative));
                height = Math.Max(height, most == int.MaxValue ? most : most + 1);
            }

            if ((atoms.Types & (JsonTypes.Object | JsonTypes.Array)) != 0)
                height = Math.Max(height, 1);
        }

        return _heights[atoms.Key] = height;
    }

    // The sets of schemas that hold for parts of a value.
    private IEnumerable<IReadOnlyList<SchemaPlace>> Below(SchemaAtoms atoms)
    {
        if (atoms.Types.HasFlag(JsonTypes.Object))
        {
            foreach (var name in PropertyNames(atoms))
                yield return PropertySchemas(atoms, name) ?? [_places.Never];
            if (FreeValues(atoms) is { } free)
                yield return free;
        }

        if (atoms.Types.HasFlag(JsonTypes.Array))
        {
            int prefix = PrefixLength(atoms);
            for (int i = 0; i <= prefix; i++)
                if (ItemSchemas(atoms, i) is { } items)
                    yield return items;
        }
    }

    // All ways in which a value may satisfy some schemas, each as a set of plain schema objects: references, allOf, anyOf and oneOf are
    // worked in.
    private List<SchemaAtoms> Alternatives(IReadOnlyList<SchemaPlace> all)
    {
        var found = new List<SchemaAtoms>();
        Expand([], [.. all], found);
        return found;
    }

    private void Expand(List<SchemaPlace> atoms, List<SchemaPlace> pending, List<SchemaAtoms> found)
    {
        while (pending.Count > 0)
        {
            var place = pending[^1];
            pending.RemoveAt(pending.Count - 1);
            if (place.Schema.ValueKind == JsonValueKind.True || atoms.Contains(place))
                continue;
            if (place.Schema.ValueKind == JsonValueKind.False)
                return;
            if (place.Schema.ValueKind != JsonValueKind.Object)
                throw new GrammarException(GrammarError.Syntax,
                    $"{place.Pointer}: a schema is an object or a boolean, not {place.Schema.ValueKind}.", place.Pointer);
            atoms.Add(place);
            List<(SchemaPlace Place, string Keyword, List<SchemaPlace> Branches)> forks = [];
            foreach (var keyword in place.Schema.EnumerateObject())
            {
                switch (keyword.Name)
                {
                    case "$ref":
                        pending.Add(_places.Resolve(place, keyword.Value));
                        break;
                    case "allOf":
                        pending.AddRange(_places.Items(place, "allOf"));
                        break;
                    case "anyOf" or "oneOf":
                        forks.Add((place, keyword.Name, _places.Items(place, keyword.Name)));
                        break;
                    case "not":
                        if (!SchemaPlaces.IsAlways(keyword.Value))
                            throw place.Unsupported("not");
                        return;
                    default:
                        SchemaKeywords.Check(place, keyword);
                        break;
                }
            }

            if (forks.Count == 0)
                continue;
            Fork(atoms, pending, forks, 0, found);
            return;
        }

        var set = new SchemaAtoms(atoms);
        if (found.Count >= MaximumAlternatives)
            throw new GrammarException(GrammarError.TooComplex,
                $"{set.Pointer}: the anyOf and oneOf of the schema make more than {MaximumAlternatives} combinations.", set.Pointer);
        if (set.Types != JsonTypes.None && !found.Exists(f => f.Key == set.Key))
            found.Add(set);
    }

    private void Fork(
        List<SchemaPlace> atoms, List<SchemaPlace> pending, List<(SchemaPlace Place, string Keyword, List<SchemaPlace> Branches)> forks,
        int index, List<SchemaAtoms> found)
    {
        if (index == forks.Count)
        {
            Expand([.. atoms], [.. pending], found);
            return;
        }

        var (place, keyword, branches) = forks[index];
        if (keyword == "oneOf")
            RequireExclusive(place, branches);
        foreach (var branch in branches)
            Fork(atoms, [.. pending, branch], forks, index + 1, found);
    }

    private void RequireExclusive(SchemaPlace place, List<SchemaPlace> branches)
    {
        if (!_places.Exclusive.Add(place.Pointer))
            return;
        for (int i = 0; i < branches.Count; i++)
            for (int j = 0; j < i; j++)
                if (!AreDisjoint([branches[i]], [branches[j]], 0))
                    throw new GrammarException(GrammarError.Unsupported,
                        $"{place.Pointer}/oneOf: the branches {j} and {i} may both hold for one value, or it cannot be seen that they do "
                            + $"not. Use anyOf, or give them different types or a required property with different constants.",
                        $"{place.Pointer}/oneOf");
    }

    // Whether it can be seen that no value satisfies both.
    private bool AreDisjoint(IReadOnlyList<SchemaPlace> first, IReadOnlyList<SchemaPlace> second, int depth)
    {
        const int MaximumLook = 6;
        if (depth > MaximumLook)
            return false;
        foreach (var x in Alternatives(first))
            foreach (var y in Alternatives(second))
                if (!AreDisjoint(x, y, depth))
                    return false;
        return true;
    }

    private bool AreDisjoint(SchemaAtoms x, SchemaAtoms y, int depth)
    {
        var both = x.Types & y.Types;
        if (both == JsonTypes.None)
            return true;
        if (x.FindEnumeration() is { } xs && y.FindEnumeration() is { } ys)
            return !xs.Exists(a => ys.Exists(b => JsonElement.DeepEquals(a, b)));
        if (x.FindEnumeration() is { } some)
            return some.TrueForAll(v => !y.Types.HasFlag(JsonType.Of(v)));
        if (y.FindEnumeration() is { } others)
            return others.TrueForAll(v => !x.Types.HasFlag(JsonType.Of(v)));
        if (both != JsonTypes.Object)
            return false;
        HashSet<string> required = [.. Required(x), .. Required(y)];
        foreach (var name in required)
        {
            var (a, b) = (PropertySchemas(x, name), PropertySchemas(y, name));
            if (a is null || b is null || AreDisjoint(a, b, depth + 1))
                return true;
        }

        return false;
    }
}
