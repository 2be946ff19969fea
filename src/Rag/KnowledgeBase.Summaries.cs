using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

public sealed partial class KnowledgeBase
{
    /// <summary>
    /// Summarises documents: with their own sentences, or in the words of a chat model, which reads them part by part and then what it
    /// wrote. Each sentence is cited, and a sentence of the model that no passage states is left out.
    /// </summary>
    /// <param name="chat">Writes, or null: then sentences are quoted.</param>
    /// <param name="options">What to summarise and how, or null for everything and the defaults.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The summary; its text is empty where there is nothing to summarise, or nothing about
    /// <see cref="SummaryOptions.Focus"/>.</returns>
    /// <exception cref="KotonohaException">A named document is not stored, or the store cannot do its work.</exception>
    public async Task<Summary> SummarizeAsync(
        IChatClient? chat = null, SummaryOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new SummaryOptions();
        options.Validate();
        var stored = (await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false)).Select(record => record.Source).ToList();
        if (options.Sources?.FirstOrDefault(source => !stored.Contains(source, StringComparer.Ordinal)) is { } unknown)
            throw new KotonohaException($"There is no document '{unknown}' to summarise.");
        var chunks = new List<Chunking.Chunk>();
        foreach (var source in options.Sources ?? stored)
            chunks.AddRange(await _store.ReadDocumentAsync(source, cancellationToken).ConfigureAwait(false));
        double step = Math.Max(1, (double)chunks.Count / options.MaxPassages);
        List<Passage> passages = [.. Enumerable.Range(0, Math.Min(chunks.Count, options.MaxPassages))
            .Select(i => new Passage(new SearchHit(chunks[(int)(i * step)], 1, null, null), i))];

        var summarizer = new Summarizer(passages, options);
        var notes = chat is null ? summarizer.Extract()
            : await summarizer.WriteAsync(chat, cancellationToken).ConfigureAwait(false);
        var citations = new List<Citation>();
        var lines = new List<(string Text, List<int> Numbers)>();
        foreach (var note in notes)
        {
            var numbers = new List<int>();
            foreach (var span in note.Spans)
            {
                citations.Add(AnswerComposer.Cite(note.Passage, span, citations.Count + 1, 1));
                numbers.Add(citations.Count);
            }

            lines.Add((note.Line, numbers));
        }

        var (held, renumbered) = await CitationVerifier.VerifyAsync(_store, citations, cancellationToken).ConfigureAwait(false);
        return new Summary(
            string.Join('\n', lines.Where(line => line.Numbers.TrueForAll(renumbered.ContainsKey)).Select(line =>
                line.Text + AnswerComposer.Marks(line.Numbers.Select(number => renumbered[number])))),
            notes.Exists(note => note.Written is not null) ? AnsweredBy.Model : AnsweredBy.Extraction,
            held,
            summarizer.Passages.Count,
            summarizer.Unsupported);
    }
}
