using System.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Retrieval;

/// <summary>What stands around a hit in its document: neighbours (a window) or its section (a parent).</summary>
internal static class Surroundings
{
    /// <summary>Gives each hit its surroundings; one whose document has gone meanwhile stays alone.</summary>
    public static async Task<IReadOnlyList<SearchHit>> AddAsync(
        IKnowledgeStore store, IReadOnlyList<SearchHit> hits, SearchOptions options, CancellationToken cancellationToken)
    {
        if (options.Surroundings == SurroundingsKind.None)
            return hits;
        var documents = new Dictionary<string, IReadOnlyList<Chunk>>(StringComparer.Ordinal);
        foreach (var source in hits.Select(hit => hit.Chunk.Source).Distinct(StringComparer.Ordinal))
            documents[source] = await store.ReadDocumentAsync(source, cancellationToken).ConfigureAwait(false);
        return [.. hits.Select(hit => hit with { Surroundings = Around(hit.Chunk, documents[hit.Chunk.Source], options) })];
    }

    /// <summary>The chunks around one, in order; the chunk itself is always among them.</summary>
    private static List<Chunk> Around(Chunk chunk, IReadOnlyList<Chunk> document, SearchOptions options)
    {
        int at = 0;
        while (at < document.Count && document[at].Id != chunk.Id)
            at++;
        if (at == document.Count)
            return [chunk];
        int first = at, last = at, size = Chunker.Measure(chunk.Text);
        bool before = true, after = true;
        for (int distance = 1; before || after; distance++)
        {
            before = before && Takes(at - distance, distance);
            first = before ? at - distance : first;
            after = after && Takes(at + distance, distance);
            last = after ? at + distance : last;
        }

        return [.. document.Skip(first).Take(last - first + 1)];

        bool Takes(int index, int distance)
        {
            if (index < 0 || index >= document.Count)
                return false;
            var other = document[index];
            if (options.Surroundings == SurroundingsKind.Neighbours ? distance > options.Neighbours : other.Heading != chunk.Heading)
                return false;
            int grown = size + Chunker.Measure(other.Text);
            if (grown > options.MaxSurroundings)
                return false;
            size = grown;
            return true;
        }
    }

    /// <summary>The text of chunks that follow one another; what two of them share stands there once, a gap is a line break.</summary>
    public static string Text(IReadOnlyList<Chunk> chunks)
    {
        var text = new StringBuilder(chunks[0].Text);
        int end = chunks[0].End;
        foreach (var chunk in chunks.Skip(1))
        {
            if (chunk.Start > end)
                text.Append('\n');
            int shared = Math.Clamp(end - chunk.Start, 0, chunk.Text.Length);
            text.Append(chunk.Text, shared, chunk.Text.Length - shared);
            end = Math.Max(end, chunk.End);
        }

        return text.ToString();
    }
}
