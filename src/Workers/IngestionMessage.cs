using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kotonoha.Workers;

/// <summary>
/// What a message of the queue says: which document is to be brought into the collection, or out of it. On the wire it is a JSON object
/// with these names in camel case, so other programs can publish it too.
/// </summary>
public sealed record IngestionMessage
{
    /// <summary>The collection that the document belongs to; a worker refuses messages of another one.</summary>
    public required string Collection { get; init; }

    /// <summary>The document's name: its path relative to the folder of documents, with <c>/</c>.</summary>
    public required string Source { get; init; }

    /// <summary>
    /// Where its bytes are: a path relative to the folder of documents as the worker sees it. It must not lead out of that folder.
    /// </summary>
    public required string Path { get; init; }

    /// <summary>
    /// The SHA-256 of its bytes when the message was published, in hexadecimal digits, or null. What the worker takes in is what the file
    /// holds when it is read.
    /// </summary>
    public string? Hash { get; init; }

    /// <summary>Tags to filter by.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>
    /// Who may see the document: <c>public</c>, or <c>tenant:NAME</c>, or <c>group:TENANT/NAME</c> for each group (names as in a URL:
    /// <c>%20</c> for a space); none, or what cannot be understood: no tenant does.
    /// </summary>
    public IReadOnlyList<string> Access { get; init; } = [];

    /// <summary>Whether the file was gone; the document is then removed, unless the file has come back.</summary>
    public bool IsRemoved { get; init; }

    /// <summary>How messages are written.</summary>
    internal static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
}
