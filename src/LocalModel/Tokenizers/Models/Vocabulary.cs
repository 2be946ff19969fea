using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>Tokens and their ids, both ways. Ids may have holes.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> idsBySpan;
    private readonly List<string?> tokens = [];

    public Vocabulary() => idsBySpan = ids.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The tokens in the order of their ids.</summary>
    public Vocabulary(IEnumerable<string> tokens)
        : this()
    {
        int id = 0;
        foreach (var token in tokens)
            if (!TryAdd(token, id++))
                throw new ArgumentException($"Token '{token}' stands twice in the vocabulary.", nameof(tokens));
    }

    /// <summary>The number of tokens.</summary>
    public int Count => ids.Count;

    /// <summary>One more than the highest id.</summary>
    public int IdLimit => tokens.Count;

    /// <summary>Adds a token; false when the token or the id is taken.</summary>
    public bool TryAdd(string token, int id)
    {
        while (tokens.Count <= id)
            tokens.Add(null);
        if (tokens[id] is not null || !ids.TryAdd(token, id))
            return false;
        tokens[id] = token;
        return true;
    }

    /// <summary>Adds a token that may be there already: the text then stands for the newer id.</summary>
    public void AddOrReplace(string token, int id)
    {
        while (tokens.Count <= id)
            tokens.Add(null);
        tokens[id] = token;
        ids[token] = id;
    }

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => idsBySpan.TryGetValue(token, out id);

    public string? TokenOf(int id) => (uint)id < (uint)tokens.Count ? tokens[id] : null;

    /// <summary>Writes the member <c>vocab</c> in the order of the ids.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("vocab"u8);
        for (int id = 0; id < tokens.Count; id++)
            if (tokens[id] is { } token)
                writer.WriteNumber(token, id);
        writer.WriteEndObject();
    }
}
