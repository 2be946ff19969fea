using System.Text.Json;

namespace Kotonoha.Grammars.JsonSchema;

/// <summary>A schema within a document.</summary>
/// <param name="Pointer">Where it is, as a JSON pointer after <c>#</c>.</param>
/// <param name="Schema">What is there.</param>
internal sealed record SchemaPlace(string Pointer, JsonElement Schema)
{
    public bool Equals(SchemaPlace? other) => other is not null && Pointer == other.Pointer;

    public override int GetHashCode() => Pointer.GetHashCode(StringComparison.Ordinal);

    public GrammarException Malformed(string keyword, string expected)
        => new(GrammarError.Syntax, $"{Pointer}/{keyword}: the schema must have {expected} here.", $"{Pointer}/{keyword}");

    public GrammarException Unsupported(string keyword, string? what = null)
        => new(GrammarError.Unsupported,
            $"{Pointer}/{keyword}: {(what is null ? $"the keyword '{keyword}'" : $"'{keyword}' with {what}")} is not supported, and "
                + $"leaving it out would let invalid texts through. Remove it, or say the same in another way.",
            $"{Pointer}/{keyword}");

    public GrammarException TooComplex(string what) => new(GrammarError.TooComplex, $"{Pointer}: {what} need too many states.", Pointer);
}

/// <summary>Finds schemas in a document.</summary>
internal sealed class SchemaPlaces
{
    private readonly Dictionary<string, SchemaPlace> _resolved = new(StringComparer.Ordinal);
    private Dictionary<string, SchemaPlace>? _anchors;

    public SchemaPlaces(JsonElement schema) => Root = new SchemaPlace("#", schema);

    public SchemaPlace Root { get; }

    /// <summary>A schema that nothing satisfies.</summary>
    public SchemaPlace Never { get; } = new("#false", JsonDocument.Parse("false").RootElement);

    /// <summary>The pointers of the oneOf that were looked at.</summary>
    public HashSet<string> Exclusive { get; } = new(StringComparer.Ordinal);

    /// <summary>The schema below another.</summary>
    public SchemaPlace At(SchemaPlace place, string keyword, string? name, JsonElement schema)
        => new(name is null ? $"{place.Pointer}/{keyword}" : $"{place.Pointer}/{keyword}/{Escape(name)}", schema);

    /// <summary>The schemas of an array.</summary>
    public List<SchemaPlace> Items(SchemaPlace place, string keyword)
    {
        var array = place.Schema.GetProperty(keyword);
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() == 0)
            throw place.Malformed(keyword, "an array of at least one schema");
        return [.. array.EnumerateArray().Select((s, i) => new SchemaPlace($"{place.Pointer}/{keyword}/{i}", s))];
    }

    /// <summary>The schema that a reference means.</summary>
    public SchemaPlace Resolve(SchemaPlace place, JsonElement reference)
    {
        if (reference.ValueKind != JsonValueKind.String)
            throw place.Malformed("$ref", "a string");
        string text = reference.GetString()!;
        if (_resolved.TryGetValue(text, out var known))
            return known;
        string fragment = text;
        if (Root.Schema.TryGetProperty("$id", out var id) && id.ValueKind == JsonValueKind.String
            && text.StartsWith(id.GetString()!.TrimEnd('#'), StringComparison.Ordinal))
            fragment = text[id.GetString()!.TrimEnd('#').Length..];
        if (fragment.Length == 0)
            fragment = "#";
        if (fragment[0] != '#')
            throw new GrammarException(GrammarError.Unsupported,
                $"{place.Pointer}/$ref: '{text}' lies outside of the schema; bring it in under $defs.", $"{place.Pointer}/$ref");
        return _resolved[text] = fragment.Length == 1 || fragment[1] == '/'
            ? Follow(place, Uri.UnescapeDataString(fragment), text)
            : Anchor(place, fragment[1..], text);
    }

    /// <summary>Whether everything satisfies a schema, for all that can be seen.</summary>
    public static bool IsAlways(JsonElement schema)
        => schema.ValueKind == JsonValueKind.True || (schema.ValueKind == JsonValueKind.Object && !schema.EnumerateObject().Any());

    private SchemaPlace Follow(SchemaPlace from, string pointer, string text)
    {
        var at = Root.Schema;
        foreach (var part in pointer.Split('/').Skip(1))
        {
            var name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (at.ValueKind == JsonValueKind.Object && at.TryGetProperty(name, out var child))
                at = child;
            else if (at.ValueKind == JsonValueKind.Array && int.TryParse(name, out int index) && index >= 0 && index < at.GetArrayLength())
                at = at[index];
            else
                throw Missing(from, text);
        }

        return new SchemaPlace(pointer, at);
    }

    private SchemaPlace Anchor(SchemaPlace from, string name, string text)
    {
        if (_anchors is null)
        {
            _anchors = new(StringComparer.Ordinal);
            Collect(Root, _anchors);
        }

        return _anchors.TryGetValue(name, out var place) ? place : throw Missing(from, text);
    }

    private static void Collect(SchemaPlace place, Dictionary<string, SchemaPlace> anchors)
    {
        if (place.Schema.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in place.Schema.EnumerateObject())
            {
                if (member.Name == "$anchor" && member.Value.ValueKind == JsonValueKind.String)
                    anchors.TryAdd(member.Value.GetString()!, place);
                else if (member.Name is not ("const" or "enum" or "default" or "examples"))
                    Collect(new SchemaPlace($"{place.Pointer}/{Escape(member.Name)}", member.Value), anchors);
            }
        }
        else if (place.Schema.ValueKind == JsonValueKind.Array)
        {
            int index = 0;
            foreach (var item in place.Schema.EnumerateArray())
                Collect(new SchemaPlace($"{place.Pointer}/{index++}", item), anchors);
        }
    }

    private static GrammarException Missing(SchemaPlace place, string text)
        => new(GrammarError.Syntax, $"{place.Pointer}/$ref: there is no '{text}' in the schema.", $"{place.Pointer}/$ref");

    private static string Escape(string name)
        => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}

/// <summary>What is known of keywords.</summary>
internal static class SchemaKeywords
{
    private static readonly HashSet<string> Refused = new(StringComparer.Ordinal)
    {
        "if", "then", "else", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "dependencies", "contains",
        "minContains", "maxContains",
        "unevaluatedItems", "unevaluatedProperties", "additionalItems", "$dynamicRef", "$recursiveRef", "disallow", "divisibleBy",
        "extends",
    };

    /// <summary>Refuses a keyword that changes what is valid and is not supported; others are read later, or are annotations.</summary>
    public static void Check(SchemaPlace place, JsonProperty keyword)
    {
        if (Refused.Contains(keyword.Name) && !SaysNothing(keyword))
            throw place.Unsupported(keyword.Name);
        switch (keyword.Name)
        {
            case "items" when keyword.Value.ValueKind == JsonValueKind.Array:
                throw place.Unsupported("items", "an array (of older drafts; prefixItems says it now)");
            case "exclusiveMinimum" or "exclusiveMaximum" when keyword.Value.ValueKind is JsonValueKind.True or JsonValueKind.False:
                throw place.Unsupported(keyword.Name, "a boolean (of draft 4; a number says it now)");
            case "uniqueItems" when keyword.Value.ValueKind is not (JsonValueKind.True or JsonValueKind.False):
                throw place.Malformed("uniqueItems", "a boolean");
            case "$id" when place.Pointer != "#":
                throw place.Unsupported("$id", "a schema inside of another");
        }
    }

    private static bool SaysNothing(JsonProperty keyword) => keyword.Name switch
    {
        "unevaluatedItems" or "unevaluatedProperties" or "propertyNames" or "additionalItems" => SchemaPlaces.IsAlways(keyword.Value),
        "patternProperties" or "dependentRequired" or "dependentSchemas" or "dependencies"
            => keyword.Value.ValueKind == JsonValueKind.Object && !keyword.Value.EnumerateObject().Any(),
        _ => false,
    };
}

/// <summary>The types of JSON values; numbers are whole or have a fraction.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    String = 4,
    Integer = 8,
    Fraction = 16,
    Array = 32,
    Object = 64,
    All = 127,
}

/// <summary>Values and their types.</summary>
internal static class JsonType
{
    public static JsonTypes Parse(SchemaPlace place, JsonElement name)
        => (name.ValueKind == JsonValueKind.String ? name.GetString() : null) switch
        {
            "null" => JsonTypes.Null,
            "boolean" => JsonTypes.Boolean,
            "string" => JsonTypes.String,
            "integer" => JsonTypes.Integer,
            "number" => JsonTypes.Integer | JsonTypes.Fraction,
            "array" => JsonTypes.Array,
            "object" => JsonTypes.Object,
            _ => throw place.Malformed("type", "one of null, boolean, string, integer, number, array and object, or an array of these"),
        };

    public static JsonTypes Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Number => DecimalText.Parse(value.GetRawText()) is { Fraction.Length: 0 } ? JsonTypes.Integer : JsonTypes.Fraction,
        JsonValueKind.Array => JsonTypes.Array,
        _ => JsonTypes.Object,
    };

    /// <summary>How many objects and arrays lie in each other.</summary>
    public static int Depth(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => 1 + value.EnumerateArray().Select(Depth).DefaultIfEmpty(0).Max(),
        JsonValueKind.Object => 1 + value.EnumerateObject().Select(m => Depth(m.Value)).DefaultIfEmpty(0).Max(),
        _ => 0,
    };

    /// <summary>The text of a value without blanks.</summary>
    public static string Write(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => JsonText.Quote(value.GetString()!),
        JsonValueKind.Array => $"[{string.Join(',', value.EnumerateArray().Select(Write))}]",
        JsonValueKind.Object =>
            $"{{{string.Join(',', value.EnumerateObject().Select(m => $"{JsonText.Quote(m.Name)}:{Write(m.Value)}"))}}}",
        _ => value.GetRawText(),
    };
}

/// <summary>Plain schema objects that all hold for one value.</summary>
internal sealed class SchemaAtoms
{
    public SchemaAtoms(IEnumerable<SchemaPlace> places)
    {
        // Those that say nothing by themselves would only make equal sets look different.
        All = [.. places.Where(p => p.Schema.EnumerateObject().Any(k => IsOwn(k.Name)))];
        Key = string.Join(' ', All.Select(p => p.Pointer).Order(StringComparer.Ordinal));
        foreach (var (place, name, value) in Keywords())
            if (name == "type")
            {
                var types = JsonTypes.None;
                if (value.ValueKind == JsonValueKind.Array)
                    foreach (var each in value.EnumerateArray())
                        types |= JsonType.Parse(place, each);
                else
                    types = JsonType.Parse(place, value);
                Types &= types;
            }
    }

    public List<SchemaPlace> All { get; }

    /// <summary>Says which schemas these are.</summary>
    public string Key { get; }

    public string Pointer => All.Count == 0 ? "#" : All[0].Pointer;

    public JsonTypes Types { get; } = JsonTypes.All;

    /// <summary>The keywords of all schemas, where they stand.</summary>
    public IEnumerable<(SchemaPlace Place, string Name, JsonElement Value)> Keywords()
    {
        foreach (var place in All)
            foreach (var keyword in place.Schema.EnumerateObject())
                yield return (place, keyword.Name, keyword.Value);
    }

    /// <summary>Whether there is a keyword of some kind among those that say something of the value.</summary>
    public bool HasKeywords(Predicate<string> predicate) => Keywords().Any(k => IsOwn(k.Name) && predicate(k.Name));

    /// <summary>The first schema with a keyword.</summary>
    public SchemaPlace Find(string keyword) => All.First(p => p.Schema.TryGetProperty(keyword, out _));

    /// <summary>The values that enum and const leave; null where there is neither.</summary>
    public List<JsonElement>? FindEnumeration()
    {
        List<JsonElement>? values = null;
        foreach (var (place, name, value) in Keywords())
        {
            if (name is not ("enum" or "const"))
                continue;
            if (name == "enum" && value.ValueKind != JsonValueKind.Array)
                throw place.Malformed("enum", "an array");
            List<JsonElement> these = name == "enum" ? [.. value.EnumerateArray()] : [value];
            values = values is null ? these : [.. values.Where(v => these.Exists(t => JsonElement.DeepEquals(t, v)))];
        }

        return values;
    }

    private static bool IsOwn(string keyword)
        => keyword is "type" or "enum" or "const" or "properties" or "required" or "additionalProperties" or "minProperties"
            or "maxProperties" or "items" or "prefixItems"
            or "minItems" or "maxItems" or "uniqueItems" or "minLength" or "maxLength" or "pattern" or "format" or "minimum" or "maximum"
            or "exclusiveMinimum"
            or "exclusiveMaximum" or "multipleOf";
}
