using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Rag.Chunking;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>Lets a chat model write the answer from numbered passages, and keeps what the passages support.</summary>
internal static partial class ModelWriter
{
    private const string Refusal = "NOT FOUND", ReasoningEnd = "</think>";

    /// <summary>
    /// What to ask, one after the other until an answer is supported: a small model that strays from a paragraph often keeps to the
    /// sentence alone.
    /// </summary>
    /// <param name="question">The question.</param>
    /// <param name="candidates">The candidate sentences, best first.</param>
    /// <param name="options">The style and the limits.</param>
    internal static IEnumerable<ModelPrompt> Prompts(Question question, IReadOnlyList<Candidate> candidates, AskOptions options)
    {
        var texts = AnswerTexts.For(question);
        if (options.Writing == WritingStyle.NumberedPassages)
        {
            yield return NumberedPassages(texts, question, candidates, options);
            yield break;
        }

        var best = candidates[0];
        var paragraph = Around(best, options.PromptBudget);
        foreach (var span in paragraph == best.Span ? [paragraph] : new[] { paragraph, best.Span })
        {
            var text = best.Passage.Chunk.Text.Substring(span.Start, span.Length).ReplaceLineEndings("\n").TrimEnd();
            yield return new ModelPrompt(texts.ShortInstruction, texts.ShortPrompt(text, question.Text), [best.Passage]);
        }
    }

    /// <summary>Asks the model.</summary>
    /// <param name="chat">The model.</param>
    /// <param name="prompt">What to ask.</param>
    /// <param name="options">The style and the limits.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>What the model wrote.</returns>
    internal static async Task<ModelDraft> WriteAsync(
        IChatClient chat, ModelPrompt prompt, AskOptions options, CancellationToken cancellationToken)
    {
        var response = await chat.GetResponseAsync(Messages(prompt), Options(options), cancellationToken).ConfigureAwait(false);
        return Draft(WithoutReasoning(response.Text), prompt, options);
    }

    internal static ChatMessage[] Messages(ModelPrompt prompt)
        => [new ChatMessage(ChatRole.System, prompt.Instruction), new ChatMessage(ChatRole.User, prompt.Text)];

    internal static ChatOptions Options(AskOptions options) => new() { MaxOutputTokens = options.MaxOutputTokens, Temperature = 0 };

    /// <summary>A draft of what a model wrote, without its reasoning.</summary>
    internal static ModelDraft Draft(string text, ModelPrompt prompt, AskOptions options)
    {
        bool isShort = options.Writing == WritingStyle.ShortText;
        return new ModelDraft(text, prompt.Passages, isShort, !isShort && text.Contains(Refusal, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>What a model wrote without what it thought before: reasoning that has not ended yet hides all that follows.</summary>
    internal static string WithoutReasoning(string text)
    {
        if (!text.Contains("think", StringComparison.OrdinalIgnoreCase))
            return text;

        // Some templates open the reasoning in the prompt, so that only its end is written.
        text = Reasoning().Replace(text, "");
        int end = text.LastIndexOf(ReasoningEnd, StringComparison.OrdinalIgnoreCase);
        return end < 0 ? text : text[(end + ReasoningEnd.Length)..];
    }

    /// <summary>
    /// Keeps the sentences that a passage supports, with the place that says the same; none where together they do not answer.
    /// </summary>
    internal static List<SupportedSentence> Check(Question question, ModelDraft draft)
    {
        if (draft.Refused)
            return [];
        bool answers = false;
        var (kept, _) = Supported(question, draft.Text, draft.Passages, check => answers |= check.Answers);
        return answers ? kept : [];
    }

    /// <summary>Whether a text cites a passage by its number.</summary>
    internal static bool Cites(string text) => Mark().IsMatch(text);

    /// <summary>The sentences of a text that a passage states, the one that is named first of all; and how many sentences there
    /// are.</summary>
    internal static (List<SupportedSentence> Kept, int Sentences) Supported(
        Question question, string text, IReadOnlyList<Passage> passages, Action<SupportCheck>? supported = null)
    {
        var kept = new List<SupportedSentence>();
        var sentences = Sentences(text);
        foreach (var (sentence, marks) in sentences)
        {
            var check = new SupportCheck(sentence, question);
            var cited = marks.Where(mark => mark >= 1 && mark <= passages.Count).Select(mark => passages[mark - 1]).ToList();
            var found = cited.Concat(passages).Distinct()
                .Select(passage => (Passage: passage, Places: check.Find(passage)))
                .FirstOrDefault(found => found.Places is not null);
            if (found.Places is not { } places)
                continue;
            supported?.Invoke(check);
            kept.Add(new SupportedSentence(sentence, found.Passage, places));
        }

        return (kept, sentences.Count);
    }

    /// <summary>
    /// The sentences without their markers. A marker may stand before the full stop or after it, where it would seem to open the next
    /// sentence.
    /// </summary>
    private static List<(string Text, HashSet<int> Marks)> Sentences(string draft)
    {
        var sentences = new List<(string Text, HashSet<int> Marks)>();
        foreach (var span in SentenceSplitter.Split(draft))
        {
            var sentence = draft[span.Start..span.End];
            var leading = LeadingMarks().Match(sentence);
            if (sentences.Count > 0 && leading.Length > 0)
            {
                sentences[^1].Marks.UnionWith(MarksIn(leading.Value));
                sentence = sentence[leading.Length..];
            }

            var text = Mark().Replace(sentence, "").Trim();
            if (text.Trim('.', '。').Length > 0)
                sentences.Add((text, [.. MarksIn(sentence)]));
        }

        return sentences;
    }

    private static IEnumerable<int> MarksIn(string text)
        => Mark().Matches(text).Select(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));

    // As many passages as fit the budget, the first one always.
    private static ModelPrompt NumberedPassages(
        AnswerTexts texts, Question question, IReadOnlyList<Candidate> candidates, AskOptions options)
    {
        var passages = new List<Passage>();
        int size = 0;
        foreach (var passage in candidates.Select(candidate => candidate.Passage).Distinct())
        {
            size += Chunker.Measure(passage.Chunk.Text);
            if (passages.Count > 0 && size > options.PromptBudget)
                break;
            passages.Add(passage);
        }

        var numbered = Numbered(passages.Select(passage => (passage.Chunk.Heading ?? passage.Chunk.Title, passage.Chunk.Text)));
        return new ModelPrompt(texts.Instruction, $"{numbered}\n{question.Text}", passages);
    }

    /// <summary>Texts with their numbers and headings, each in a fence that it cannot leave.</summary>
    internal static string Numbered(IEnumerable<(string? Heading, string Text)> texts)
    {
        var prompt = new StringBuilder();
        int number = 0;
        foreach (var (heading, text) in texts)
        {
            // The fence is longer than any run of backticks inside, so no passage can leave it.
            int longest = Backticks().Matches(text).Select(match => match.Length).DefaultIfEmpty(2).Max();
            var fence = new string('`', Math.Max(3, longest + 1));
            prompt.Append(CultureInfo.InvariantCulture, $"[{++number}] {heading}\n{fence}\n{text}\n{fence}\n");
        }

        return prompt.ToString();
    }

    /// <summary>The sentence with as many neighbours of its paragraph as fit.</summary>
    private static TextSpan Around(Candidate candidate, int budget)
    {
        var sentences = candidate.Passage.Sentences;
        var quote = QuoteBuilder.ListOf(candidate.Passage, candidate.Index);
        int first = candidate.Index, last = candidate.Index;
        if (quote is { } list)
            (first, last) = (IndexAt(sentence => sentence.Span.Start == list.Start), IndexAt(sentence => sentence.Span.End == list.End));
        bool grew = true;
        while (grew)
        {
            grew = false;
            if (last + 1 < sentences.Count && sentences[last + 1].Block == candidate.Sentence.Block && Fits(first, last + 1))
                (last, grew) = (last + 1, true);
            if (first > 0 && sentences[first - 1].Block == candidate.Sentence.Block && Fits(first - 1, last))
                (first, grew) = (first - 1, true);
        }

        return new TextSpan(sentences[first].Span.Start, sentences[last].Span.End);

        int IndexAt(Predicate<PassageSentence> predicate) => Enumerable.Range(0, sentences.Count).First(i => predicate(sentences[i]));

        bool Fits(int from, int to)
            => Chunker.Measure(candidate.Passage.Chunk.Text.AsSpan()[sentences[from].Span.Start..sentences[to].Span.End]) <= budget;
    }

    [GeneratedRegex(@"\s*[\[【]([0-9]{1,3})[\]】]")]
    private static partial Regex Mark();

    [GeneratedRegex(@"^(\s*[\[【][0-9]{1,3}[\]】])+")]
    private static partial Regex LeadingMarks();

    [GeneratedRegex(@"<(?<tag>think|thinking)>.*?(?:</\k<tag>>|$)", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex Reasoning();

    [GeneratedRegex("`+")]
    private static partial Regex Backticks();
}

/// <summary>What a chat model wrote.</summary>
/// <param name="Text">Its text.</param>
/// <param name="Passages">The passages it was shown, in the order of their numbers.</param>
/// <param name="IsShort">Whether it was asked as a small model is.</param>
/// <param name="Refused">Whether it said that the passages do not hold the answer.</param>
internal sealed record ModelDraft(string Text, IReadOnlyList<Passage> Passages, bool IsShort, bool Refused);

/// <summary>What a chat model is asked.</summary>
/// <param name="Instruction">The system prompt.</param>
/// <param name="Text">The passages and the question.</param>
/// <param name="Passages">The passages in it, in the order of their numbers.</param>
internal sealed record ModelPrompt(string Instruction, string Text, IReadOnlyList<Passage> Passages);
