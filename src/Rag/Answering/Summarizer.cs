using System.Globalization;
using Kotonoha.Rag.Chunking;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Summarises passages: with the sentences nearest to what all of them speak of (centroid-based summarisation, Radev et al. 2004), or in
/// the
/// words of a chat model, group by group and then over what it wrote (map and reduce). What it writes stays where a passage states it.
/// </summary>
internal sealed class Summarizer
{
    // A sentence that shares more than this with one that is taken says nothing new.
    private const double MostShared = 0.5;

    // Shorter ones are headings and crumbs; longer ones are no summary. As Chunker.Measure counts, so that scripts without spaces, whose
    // terms are pairs of characters, are measured like others.
    private const int LeastSize = 5, MostSize = 160;

    // A sentence is about what is asked for where it and its headings have this share of its words, the rarer ones counting more.
    private const double LeastAbout = 0.5;

    private const double LeadBonus = 0.15, FocusWeight = 3;

    private readonly SummaryOptions _options;
    private readonly Dictionary<string, double> _weights = new(StringComparer.Ordinal);
    private readonly List<Note> _sentences;
    private readonly Question _asked;
    private readonly bool _isJapanese;

    public Summarizer(IReadOnlyList<Passage> passages, SummaryOptions options)
    {
        _options = options;
        _sentences = [.. passages.SelectMany(passage => Enumerable.Range(0, passage.Sentences.Count)
            .Where(i => !passage.Sentences[i].IsQuestion)
            .Select(i => new Note(passage, [passage.Sentences[i].Span], null, Content(passage.Sentences[i].OwnKeys), i == 0)))];
        if (options.Focus is { } wanted)
            _sentences = About(wanted);
        Passages = [.. passages.Where(passage => options.Focus is null || _sentences.Exists(sentence => sentence.Passage == passage))];
        foreach (var key in _sentences.SelectMany(sentence => sentence.Keys))
            _weights[key] = _weights.GetValueOrDefault(key) + 1;

        // The more sentences have a term, the more the documents are about it; what nearly all have says nothing.
        double count = Math.Max(1, _sentences.Count);
        foreach (var (key, sentences) in _weights.ToList())
            _weights[key] = sentences * Math.Log(1 + count / sentences) / count;
        _asked = new Question(options.Focus ?? passages.Select(passage => passage.Chunk.Title)
            .FirstOrDefault(title => title is not null) ?? "?");
        double most = _weights.Values.DefaultIfEmpty(1).Max();
        if (options.Focus is { } focus)
            foreach (var key in TermKeys.Of(focus))
                _weights[key] = _weights.GetValueOrDefault(key) + FocusWeight * most;
        _isJapanese = passages.Count(passage => !passage.IsSpaced) * 2 > passages.Count;
    }

    /// <summary>The passages that the summary is made of: those about the focus where there is one.</summary>
    public IReadOnlyList<Passage> Passages { get; }

    /// <summary>How many sentences of a chat model no passage states.</summary>
    public int Unsupported { get; private set; }

    /// <summary>The sentences of the documents that say most of what they are about, in the documents' order.</summary>
    public List<Note> Extract(IReadOnlyList<Passage>? of = null, int? count = null)
    {
        var among = of is null ? _sentences : _sentences.Where(sentence => of.Contains(sentence.Passage)).ToList();
        var order = among.Select((sentence, i) => (sentence, i)).ToDictionary(entry => entry.sentence, entry => entry.i);
        return [.. Choose(among.Where(sentence => Chunker.Measure(sentence.Line) is >= LeastSize and <= MostSize).ToList() is
        { Count: > 0 } fitting
            ? fitting : among, count ?? _options.MaxSentences).OrderBy(sentence => order[sentence])];
    }

    /// <summary>Lets a chat model write.</summary>
    public async Task<List<Note>> WriteAsync(IChatClient chat, CancellationToken cancellationToken)
    {
        var notes = new List<Note>();
        foreach (var group in Groups(Passages, passage => Chunker.Measure(passage.Chunk.Text)))
        {
            var written = await AskAsync(
                chat, [.. group.Select(passage => (passage.Chunk.Text, passage))], cancellationToken).ConfigureAwait(false);
            // Nothing of a group is passed over.
            notes.AddRange(written.Count > 0 ? written : Extract(group, 1));
        }

        while (notes.Count > _options.MaxSentences)
        {
            var fewer = new List<Note>();
            foreach (var group in Groups(notes, note => Chunker.Measure(note.Line)))
            {
                var written = group.Count == 1 ? [] : await AskAsync(
                    chat, [.. group.Select(note => (note.Line, note.Passage))], cancellationToken).ConfigureAwait(false);
                fewer.AddRange(written.Count > 0 && written.Count < group.Count
                    ? written : Choose(group, Math.Max(1, Math.Min(_options.MaxSentences, group.Count / 2))));
            }

            notes = fewer;
        }

        return notes;
    }

    // Grammar is no content: polite sentences of Japanese would all repeat one another.
    private static HashSet<string> Content(IEnumerable<string> keys) => [.. keys.Where(key => !TermKeys.IsHiragana(key))];

    /// <summary>The sentences that are about something, by their own words and those of the headings above them.</summary>
    private List<Note> About(string focus)
    {
        var wanted = Content(new Question(focus).Terms.Select(term => term.Key));
        if (wanted.Count == 0)
            wanted = TermKeys.Of(focus);
        var places = _sentences.ConvertAll(sentence => (Sentence: sentence, Keys: Content(
            [.. sentence.Keys, .. TermKeys.Of($"{sentence.Passage.Chunk.Title}\n{sentence.Passage.Chunk.Heading}")])));
        var rarity = wanted.ToDictionary(
            key => key, key => Math.Log(1 + (places.Count + 1) / (1.0 + places.Count(place => place.Keys.Contains(key)))));
        double all = rarity.Values.Sum();
        return [.. places.Where(place => rarity.Where(key => place.Keys.Contains(key.Key)).Sum(key => key.Value) >= LeastAbout * all)
            .Select(place => place.Sentence)];
    }

    private async Task<List<Note>> AskAsync(
        IChatClient chat, IReadOnlyList<(string Text, Passage Passage)> numbered, CancellationToken cancellationToken)
    {
        var language = _isJapanese ? "ja" : "en";
        var focus = _options.Focus is null ? "" : _isJapanese ? $"（とくに「{_options.Focus}」について）" : $" about: {_options.Focus}";
        var instruction = Prompts.Read($"summary-{language}.txt")
            .Replace("{count}", _options.MaxSentences.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{focus}", focus, StringComparison.Ordinal);
        var prompt = new ModelPrompt(
            instruction,
            ModelWriter.Numbered(numbered.Select(entry => (entry.Passage.Chunk.Heading ?? entry.Passage.Chunk.Title, entry.Text))),
            [.. numbered.Select(entry => entry.Passage)]);
        var response = await chat.GetResponseAsync(
            ModelWriter.Messages(prompt), new ChatOptions { MaxOutputTokens = _options.MaxOutputTokens, Temperature = 0 },
                cancellationToken)
            .ConfigureAwait(false);
        var (kept, all) = ModelWriter.Supported(_asked, ModelWriter.WithoutReasoning(response.Text), prompt.Passages);
        Unsupported += all - kept.Count;
        return [.. kept.DistinctBy(sentence => sentence.Text).Take(_options.MaxSentences).Select(sentence =>
            new Note(sentence.Passage, sentence.Spans, sentence.Text, TermKeys.Of(sentence.Text), false))];
    }

    /// <summary>Runs of entries, in order, as large as the budget allows.</summary>
    private IEnumerable<List<T>> Groups<T>(IReadOnlyList<T> entries, Func<T, int> sizeOf)
    {
        var group = new List<T>();
        int size = 0;
        foreach (var entry in entries)
        {
            int added = sizeOf(entry);
            if (group.Count > 0 && size + added > _options.PromptBudget)
            {
                yield return group;
                (group, size) = ([], 0);
            }

            group.Add(entry);
            size += added;
        }

        if (group.Count > 0)
            yield return group;
    }

    /// <summary>The notes that say most, none that repeats another.</summary>
    private List<Note> Choose(IReadOnlyList<Note> notes, int count)
    {
        var chosen = new List<Note>();
        foreach (var note in notes.OrderByDescending(Weight))
        {
            if (chosen.Count == count)
                break;
            if (!chosen.Exists(other => other.Keys.Count(note.Keys.Contains) > MostShared * Math.Min(other.Keys.Count, note.Keys.Count)))
                chosen.Add(note);
        }

        return chosen;
    }

    private double Weight(Note note) => note.Keys.Count == 0
        ? 0 : note.Keys.Sum(key => _weights.GetValueOrDefault(key)) / Math.Sqrt(note.Keys.Count) * (note.Leads ? 1 + LeadBonus : 1);

    /// <summary>A sentence of a summary.</summary>
    /// <param name="Passage">The passage that states it.</param>
    /// <param name="Spans">Where.</param>
    /// <param name="Written">The chat model's words, or null where it is quoted.</param>
    /// <param name="Keys">Its term keys.</param>
    /// <param name="Leads">Whether it stands first in its passage.</param>
    internal sealed record Note(Passage Passage, IReadOnlyList<TextSpan> Spans, string? Written, IReadOnlySet<string> Keys, bool Leads)
    {
        public string Line => Written ?? Passage.Readable(Spans[0]);
    }
}
