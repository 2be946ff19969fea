using Kotonoha.Rag;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Server;

/// <summary>A knowledge base that is served under a name.</summary>
/// <param name="Name">Letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, at most 64, beginning with a letter or a digit.</param>
/// <param name="Knowledge">The knowledge base.</param>
public sealed record KnowledgeCollection(string Name, KnowledgeBase Knowledge)
{
    private const int MaxName = 64;

    /// <summary>How questions are answered where a request says nothing else.</summary>
    public AskOptions Answering { get; init; } = new();

    /// <summary>Where the originals of the documents lie, to be shown; null where there are none.</summary>
    public string? Documents { get; init; }

    /// <summary>Whether documents may be added and deleted through the server; a folder that is synchronised says no.</summary>
    public bool IsWritable { get; init; }

    /// <summary>Whether a text can be the name of a collection.</summary>
    /// <param name="name">The text.</param>
    public static bool IsName(string name)
        => name is { Length: > 0 and <= MaxName } && char.IsAsciiLetterOrDigit(name[0])
            && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.');
}
