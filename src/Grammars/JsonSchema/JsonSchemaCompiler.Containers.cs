using System.Numerics;
using System.Text;
using System.Text.Json;
using Kotonoha.Grammars.Automaton;
using Kotonoha.Grammars.Nodes;
using Kotonoha.Grammars.Patterns;

namespace Kotonoha.Grammars.JsonSchema;

/// <content>Objects, arrays and strings.</content>
internal sealed partial class JsonSchemaCompiler
{
    private const int MaximumUniqueValues = 8;

    // Members come in the order of the schema; those that it does not name come last.
    private Node Object(SchemaAtoms atoms, int depth)
    {
        if (depth == 0)
            return Node.Nothing;
        var (minimum, maximum) = Counts(atoms, "minProperties", "maxProperties");
        HashSet<string> required = [.. Required(atoms)];
        var members = new List<(Node Member, bool IsRequired)>();
        var names = PropertyNames(atoms);
        foreach (var name in names)
        {
            var value = PropertySchemas(atoms, name) is { } schemas ? Compile(schemas, depth - 1) : Node.Nothing;
            if (value == Node.Nothing && required.Contains(name))
                return Node.Nothing;
            if (value != Node.Nothing)
                members.Add((Node.Sequence(Node.Literal(JsonText.Quote(name)), _colon, value), required.Contains(name)));
        }

        var free = FreeValues(atoms) is { } others ? Compile(others, depth - 1) : Node.Nothing;
        if (free != Node.Nothing)
            free = Node.Sequence(OtherNames(names), _colon, free);
        int most = Math.Min(maximum ?? RepeatNode.Unlimited, free == Node.Nothing ? members.Count : RepeatNode.Unlimited);
        int must = members.Count(m => m.IsRequired);
        if (minimum > most || must > most)
            return Node.Nothing;

        // The shortest text gives all free members the same name, so not more than one of them can be asked for.
        if (minimum > must + 1 && free != Node.Nothing)
        {
            if (minimum > members.Count + 1)
                throw atoms.Find("minProperties")
                    .Unsupported("minProperties", "more than one member beyond those that the schema names");
        }

        bool counts = minimum > must || most < members.Count || (free != Node.Nothing && most != RepeatNode.Unlimited);
        if (counts && (long)members.Count * Math.Min(most, members.Count) > MaximumCounted)
            throw atoms.Find(maximum is null ? "minProperties" : "maxProperties")
                .TooComplex("so many properties with minProperties or maxProperties");
        var tails = new Dictionary<(int Index, bool IsFirst, int Count), Node>();
        return JsonText.Braces(Tail(0, true, 0));

        Node Tail(int index, bool isFirst, int count)
        {
            if (tails.TryGetValue((index, isFirst, count), out var known))
                return known;
            return tails[(index, isFirst, count)] = index == members.Count ? End(isFirst, count) : Members(index, isFirst, count);
        }

        Node Members(int index, bool isFirst, int count)
        {
            var (member, isRequired) = members[index];
            var with = counts && count == most ? Node.Nothing
                : Node.Sequence(isFirst ? Node.Empty : _comma, member, Tail(index + 1, false, counts ? count + 1 : 0));
            return isRequired ? with : Node.Either(with, Tail(index + 1, isFirst, count));
        }

        Node End(bool isFirst, int count)
        {
            int atLeast = Math.Max(0, counts ? minimum - count : 0);
            if (free == Node.Nothing)
                return atLeast > 0 ? Node.Nothing : Node.Empty;
            if (atLeast > 1)
                return Node.Nothing;
            int? atMost = most == RepeatNode.Unlimited ? null : most - count;
            return isFirst ? Node.Repeat(free, atLeast, atMost, _comma) : Node.Repeat(Node.Sequence(_comma, free), atLeast, atMost);
        }
    }

    // Names without escapes that are none of those given.
    private static Node OtherNames(IReadOnlyList<string> names)
    {
        if (names.Count == 0)
            return JsonText.AnyName;
        var plain = (DfaNode)JsonText.Plain.ToUtf8();
        byte[][] texts = [.. names.Select(Encoding.UTF8.GetBytes)];
        var trie = (DfaNode)DfaNode.AnyOf(texts.Distinct());

        // A state: where in the trie of the names, if still there, and where in a character.
        var content = DfaNode.Build(
            (Name: (DfaNode?)trie, Character: plain),
            state => state.Character == plain && state.Name is not { IsFinal: true },
            state => Edges(state.Name, state.Character));
        return JsonText.Name(content);

        IEnumerable<(byte, byte, (DfaNode?, DfaNode))> Edges(DfaNode? name, DfaNode character)
        {
            foreach (var (first, last, target) in character.Ranges)
                for (int value = first; value <= last; value++)
                    yield return ((byte)value, (byte)value, (name?.Next((byte)value), target == DfaNode.End ? plain : target));
        }
    }

    private static List<string> PropertyNames(SchemaAtoms atoms)
    {
        var names = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (place, name, value) in atoms.Keywords())
            if (name == "properties")
            {
                if (value.ValueKind != JsonValueKind.Object)
                    throw place.Malformed("properties", "an object");
                foreach (var property in value.EnumerateObject())
                    if (seen.Add(property.Name))
                        names.Add(property.Name);
            }

        foreach (var name in Required(atoms))
            if (seen.Add(name))
                names.Add(name);
        return names;
    }

    private static IEnumerable<string> Required(SchemaAtoms atoms)
    {
        foreach (var (place, name, value) in atoms.Keywords())
        {
            if (name != "required")
                continue;
            if (value.ValueKind != JsonValueKind.Array)
                throw place.Malformed("required", "an array of names");
            foreach (var each in value.EnumerateArray())
                yield return each.ValueKind == JsonValueKind.String
                    ? each.GetString()!
                    : throw place.Malformed("required", "an array of names");
        }
    }

    // All that a property's value must satisfy; null where the property is not allowed.
    private List<SchemaPlace>? PropertySchemas(SchemaAtoms atoms, string name)
    {
        var schemas = new List<SchemaPlace>();
        foreach (var place in atoms.All)
        {
            if (place.Schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(name, out var schema))
                schemas.Add(_places.At(place, "properties", name, schema));
            else if (place.Schema.TryGetProperty("additionalProperties", out var additional))
                schemas.Add(_places.At(place, "additionalProperties", null, additional));
        }

        return schemas.Exists(s => s.Schema.ValueKind == JsonValueKind.False) ? null : schemas;
    }

    // What members that the schema does not name must satisfy; null where there are none. Where nothing is said of them, they are left out,
    // unless the schema names no members at all.
    private List<SchemaPlace>? FreeValues(SchemaAtoms atoms)
    {
        var schemas = new List<SchemaPlace>();
        bool named = false, said = false;
        foreach (var place in atoms.All)
        {
            named |= place.Schema.TryGetProperty("properties", out _);
            if (!place.Schema.TryGetProperty("additionalProperties", out var additional))
                continue;
            said = true;
            schemas.Add(_places.At(place, "additionalProperties", null, additional));
        }

        if (schemas.Exists(s => s.Schema.ValueKind == JsonValueKind.False))
            return null;
        return said || !named || Counts(atoms, "minProperties", "maxProperties").Minimum > PropertyNames(atoms).Count ? schemas : null;
    }

    private Node Array(SchemaAtoms atoms, int depth)
    {
        if (depth == 0)
            return Node.Nothing;
        var (minimum, maximum) = Counts(atoms, "minItems", "maxItems");
        int prefix = PrefixLength(atoms);
        bool saysItems = atoms.HasKeywords(k => k == "items");

        // Items behind the prefix of which nothing is said are left out where they need not be.
        if (prefix > 0 && !saysItems && minimum <= prefix)
            maximum = Math.Min(maximum ?? prefix, prefix);
        if (maximum < minimum)
            return Node.Nothing;
        if (maximum is not (0 or 1)
            && atoms.Keywords().FirstOrDefault(k => k.Name == "uniqueItems" && k.Value.ValueKind == JsonValueKind.True).Place is { } unique)
            return Brackets(UniqueItems(atoms, unique, prefix, minimum, maximum));
        if (prefix > MaximumCounted)
            throw atoms.Find("prefixItems").TooComplex("so many prefixItems");

        var rest = maximum <= prefix || ItemSchemas(atoms, prefix) is not { } schemas ? Node.Nothing : Compile(schemas, depth - 1);
        int least = Math.Max(0, minimum - prefix);
        int? most = maximum is { } limit ? Math.Max(0, limit - prefix) : null;
        var tail = prefix == 0 ? Node.Repeat(rest, least, most, _comma) : Node.Repeat(Node.Sequence(_comma, rest), least, most);
        for (int i = prefix - 1; i >= 0; i--)
        {
            var item = maximum <= i || ItemSchemas(atoms, i) is not { } own ? Node.Nothing : Compile(own, depth - 1);
            var with = Node.Sequence(i == 0 ? Node.Empty : _comma, item, tail);
            tail = i < minimum ? with : Node.Either(with, Node.Empty);
        }

        return Brackets(tail);

        static Node Brackets(Node items) => Node.Sequence(Node.Literal("["), items, Node.Literal("]"));
    }

    // Arrays of different values out of a few.
    private Node UniqueItems(SchemaAtoms atoms, SchemaPlace place, int prefix, int minimum, int? maximum)
    {
        if (prefix > 0 || ItemSchemas(atoms, 0) is not { } schemas || FewValues(schemas) is not { } values)
            throw place.Unsupported("uniqueItems", $"items that are not an enumeration of at most {MaximumUniqueValues} values");
        var nodes = new Dictionary<uint, Node>();
        return After(0);

        Node After(uint used)
        {
            if (nodes.TryGetValue(used, out var known))
                return known;
            int count = BitOperations.PopCount(used);
            var options = new List<Node>();
            if (count >= minimum)
                options.Add(Node.Empty);
            if (maximum is null || count < maximum)
                for (int i = 0; i < values.Count; i++)
                    if ((used >> i & 1) == 0)
                        options.Add(Node.Sequence(count == 0 ? Node.Empty : _comma, Node.Literal(values[i]), After(used | 1u << i)));
            return nodes[used] = Node.Choice([.. options]);
        }
    }

    private List<string>? FewValues(IReadOnlyList<SchemaPlace> schemas)
    {
        var values = new List<JsonElement>();
        foreach (var atoms in Alternatives(schemas))
        {
            if (atoms.HasKeywords(k => k is not ("type" or "enum" or "const")))
                return null;
            if (atoms.FindEnumeration() is not { } some)
                return null;
            foreach (var value in some)
                if (atoms.Types.HasFlag(JsonType.Of(value)) && !values.Exists(v => JsonElement.DeepEquals(v, value)))
                    values.Add(value);
        }

        return values.Count > MaximumUniqueValues ? null : [.. values.Select(v => JsonType.Write(v))];
    }

    private static int PrefixLength(SchemaAtoms atoms)
    {
        int length = 0;
        foreach (var (place, name, value) in atoms.Keywords())
            if (name == "prefixItems")
                length = Math.Max(length,
                    value.ValueKind == JsonValueKind.Array ? value.GetArrayLength() : throw place.Malformed("prefixItems", "an array"));
        return length;
    }

    // All that the item at an index must satisfy; null where there may be none.
    private List<SchemaPlace>? ItemSchemas(SchemaAtoms atoms, int index)
    {
        var schemas = new List<SchemaPlace>();
        foreach (var place in atoms.All)
        {
            if (place.Schema.TryGetProperty("prefixItems", out var prefix) && index < prefix.GetArrayLength())
                schemas.Add(
                    _places.At(place, "prefixItems", index.ToString(System.Globalization.CultureInfo.InvariantCulture), prefix[index]));
            else if (place.Schema.TryGetProperty("items", out var items))
                schemas.Add(_places.At(place, "items", null, items));
        }

        return schemas.Exists(s => s.Schema.ValueKind == JsonValueKind.False) ? null : schemas;
    }

    private static Node String(SchemaAtoms atoms)
    {
        var (minimum, maximum) = Counts(atoms, "minLength", "maxLength");
        if (maximum < minimum)
            return Node.Nothing;
        var contents = new List<Node>();
        foreach (var (place, name, value) in atoms.Keywords())
        {
            if (name is not ("pattern" or "format"))
                continue;
            if (value.ValueKind != JsonValueKind.String)
                throw place.Malformed(name, "a string");
            if ((name == "pattern" ? value.GetString() : StringFormats.PatternOf(value.GetString()!)) is { } pattern)
                contents.Add(PatternOf(place, name, pattern));
        }

        if (minimum > 0 || maximum is not null)
            contents.Add(Node.Repeat(JsonText.Escaped(JsonText.Countable), minimum, maximum));
        if (contents.Count == 0)
            return JsonText.String;
        var content = Intersection.Of(contents);
        return content == Node.Nothing ? content : JsonText.Rule("string", JsonText.Quoted(content));
    }

    private static Node PatternOf(SchemaPlace place, string name, string pattern)
    {
        try
        {
            return PatternParser.Parse(pattern, JsonText.Escaped, isSearch: true);
        }
        catch (GrammarException exception)
        {
            throw new GrammarException(exception.Error, $"{place.Pointer}/{name}: {exception.Message}", $"{place.Pointer}/{name}",
                exception);
        }
    }
}
