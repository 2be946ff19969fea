using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Evaluation;

/// <summary>
/// Turns sentences into questions by leaving out what is asked for. English keeps the order of words ("The course begins on which date?"),
/// which is right for every verb; Japanese asks so anyway.
/// </summary>
internal static partial class QuestionForms
{
    private const int MinSentence = 8, MaxSentence = 220, MaxCell = 60;

    // A longer list is cited in parts at best, and one item is a sentence.
    private const int MinItems = 2, MaxItems = 8;

    internal static IEnumerable<QuestionDraft> Of(Passage passage)
    {
        var chunk = passage.Chunk;
        foreach (var list in OfLists(passage))
            yield return list;
        foreach (var sentence in passage.Sentences)
        {
            if (sentence.IsRow)
            {
                foreach (var cell in OfRow(passage, sentence))
                    yield return cell;
                continue;
            }

            var quote = chunk.Text[sentence.Span.Start..sentence.Span.End];
            var forms = sentence.IsItem && Label().Match(quote) is { Success: true } label ? OfLabel(passage, label)
                : sentence.IsQuestion || sentence.IsItem || quote.Length is < MinSentence or > MaxSentence ? []
                : IsJapanese(quote) ? Placed(OfJapanese(quote), passage, "「{0}」について、")
                : Placed(OfEnglish(quote), passage, "{0}: ");
            foreach (var (question, kind, answer) in forms)
                if (quote.Contains(answer, StringComparison.Ordinal) && !question.Contains(answer, StringComparison.OrdinalIgnoreCase))
                    yield return new QuestionDraft(question, kind, answer, chunk.Source, quote, chunk.Start + sentence.Span.Start);
        }
    }

    // A question without a name of its own ("The setup fee is how much in euros?") says where it belongs.
    private static IEnumerable<(string, string, string)> Placed(
        IEnumerable<(string Question, string Kind, string Answer)> forms, Passage passage, string context)
    {
        var topic = passage.Chunk.Title ?? passage.Chunk.Heading?.Split(" › ")[0];
        foreach (var form in forms)
            if (form.Kind == "definition" || OwnName().IsMatch(form.Question[1..]))
                yield return form;
            else if (topic is not null)
                yield return (string.Format(CultureInfo.InvariantCulture, context, Place(topic, passage.Chunk.Heading)) + form.Question,
                    form.Kind, form.Answer);
    }

    private static string Place(string topic, string? path)
        => path?.Split(" › ")[^1] is { } leaf && !topic.Contains(leaf, StringComparison.OrdinalIgnoreCase) ? $"{topic}, {leaf}" : topic;

    private static bool IsJapanese(string text) => text.Any(c => CjkText.IsCjk(c));

    private static IEnumerable<QuestionDraft> OfRow(Passage passage, PassageSentence row)
    {
        if (row.Header is not { } header)
            yield break;
        var quote = passage.Chunk.Text[row.Span.Start..row.Span.End];
        var (heads, cells) = (Passage.Cells(header), Passage.Cells(quote.ReplaceLineEndings(" ")));
        if (cells.Count != heads.Count || cells.Count < 2 || !IsName(cells[0]) || TopicOf(passage) is not { } topic)
            yield break;
        for (int i = 1; i < cells.Count; i++)
        {
            if (!IsName(heads[i]) || cells[i].Length is 0 or > MaxCell || !cells[i].Any(char.IsLetterOrDigit))
                continue;
            var place = new TableCell(topic, cells[0], heads[i], header, IsJapanese(header));
            var question = CellQuestion(place);
            if (quote.Contains(cells[i], StringComparison.Ordinal) && !question.Contains(cells[i], StringComparison.OrdinalIgnoreCase))
                yield return new QuestionDraft(question, "table", cells[i], passage.Chunk.Source, quote,
                    passage.Chunk.Start + row.Span.Start)
                { Cell = place };
        }
    }

    /// <summary>The question for a cell of a table.</summary>
    internal static string CellQuestion(TableCell cell) => cell.IsJapanese
        ? $"{Owned(cell.Topic, cell.Row)}の{cell.Column}は何ですか。"
        : $"What is given as “{cell.Column}” for {Of(cell.Row, cell.Topic)}?";

    /// <summary>The question for the same column of another row, as it follows the one before.</summary>
    internal static string FollowUp(TableCell cell) => cell.IsJapanese ? $"{cell.Row}は？" : $"And for {cell.Row}?";

    // A list that is all that its section holds, but for the sentence that leads in to it: its heading names it.
    private static IEnumerable<QuestionDraft> OfLists(Passage passage)
    {
        var chunk = passage.Chunk;
        PassageSentence[] marked = [.. passage.Sentences.Where(sentence => sentence.IsItem)];
        if (marked.Any(item => item.IsNested || item.Block != marked[0].Block)
            || (marked.Length > 0 && passage.Sentences.Count(sentence => !sentence.IsItem) > 1)
            || chunk.Heading?.Split(" › ")[^1] is not { } leaf || !IsName(leaf) || TopicOf(passage) is not { } topic)
            yield break;
        TextSpan[] items = marked.Length > 0 ? [.. marked.Select(item => item.Span)] : [.. UnmarkedItems(passage)];
        if (items.Length is < MinItems or > MaxItems)
            yield break;
        bool isProcedure = marked.Length > 0 && marked.All(item => item.IsStep);
        bool isJapanese = IsJapanese(leaf) || IsJapanese(chunk.Text[items[0].Start..items[0].End]);
        var question = (isJapanese, isProcedure) switch
        {
            (true, true) => $"{Owned(topic, leaf)}の手順は何ですか。",
            (true, false) => $"{Owned(topic, leaf)}には何がありますか。",
            (false, true) => $"What are the steps of “{leaf}”{In(leaf, topic)}?",
            (false, false) => $"What is listed under “{leaf}”{In(leaf, topic)}?",
        };
        var parts = items.Select(item => new GoldSpan(chunk.Source, chunk.Text[item.Start..item.End])
        {
            Start = chunk.Start + item.Start,
        }).ToArray();
        yield return new QuestionDraft(question, isProcedure ? "procedure" : "list", string.Join('\n', parts.Select(part => part.Quote)),
            chunk.Source, parts[0].Quote, parts[0].Start!.Value)
        {
            Parts = parts,
        };
    }

    // A list has lost its bullets where it was read: one block of short lines, none of which is a sentence.
    private static List<TextSpan> UnmarkedItems(Passage passage)
    {
        var (text, sentences) = (passage.Chunk.Text, passage.Sentences);
        if (sentences.Count == 0 || sentences.Any(sentence => sentence.IsRow || sentence.Block != sentences[0].Block))
            return [];
        var items = new List<TextSpan>();
        for (int start = sentences[0].Span.Start, last = sentences[^1].Span.End; start < last;)
        {
            int end = text.IndexOf('\n', start, last - start) is >= 0 and var line ? line : last;
            if (!IsName(text[start..end]) || text[end - 1] is '.' or '。' or ':' or '：' or ',' or '、')
                return [];
            items.Add(new TextSpan(start, end));
            start = end + 1;
        }

        return items;
    }

    private static string In(string leaf, string topic)
        => topic.Contains(leaf, StringComparison.OrdinalIgnoreCase) || leaf.Contains(topic, StringComparison.OrdinalIgnoreCase)
            ? "" : $" ({topic})";

    private static IEnumerable<(string, string, string)> OfLabel(Passage passage, Match label)
    {
        var (name, value) = (label.Groups["name"].Value.Trim(), label.Groups["value"].Value.Trim());
        if (passage.Chunk.Heading is not { } path || !IsName(name) || value.Length is 0 or > MaxCell || !value.Any(char.IsLetterOrDigit)
            || TopicOf(passage) is not { } topic)
            yield break;
        var leaf = path.Split(" › ")[^1];
        yield return (IsJapanese(name)
            ? $"{Owned(topic, leaf)}の{name}は何ですか。"
            : $"What is given as “{name}” for {Of(leaf, topic)}?", "label", value);
    }

    // What tells this table or section from those of the same shape elsewhere: the document's title, or its outermost heading.
    private static string? TopicOf(Passage passage)
        => passage.Chunk.Title ?? passage.Chunk.Heading?.Split(" › ")[0] ?? Path.GetFileNameWithoutExtension(passage.Chunk.Source);

    private static string Of(string name, string topic)
        => topic.Contains(name, StringComparison.OrdinalIgnoreCase) || name.Contains(topic, StringComparison.OrdinalIgnoreCase)
            ? name : $"{name} ({topic})";

    private static string Owned(string topic, string name)
        => topic.Contains(name, StringComparison.Ordinal) || name.Contains(topic, StringComparison.Ordinal) ? name : $"「{topic}」の{name}";

    private static IEnumerable<(string, string, string)> OfEnglish(string quote)
    {
        if (!char.IsUpper(quote[0]) || !quote.EndsWith('.') || EnglishAnaphora().IsMatch(quote) || TwoSentences().IsMatch(quote))
            yield break;
        var sentence = quote.ReplaceLineEndings(" ");
        if (EnglishDefinition().Match(sentence) is { Success: true } definition)
        {
            yield return ($"What is {Lower(definition.Groups["name"].Value)}?", "definition", definition.Groups["what"].Value);
            yield break;
        }

        var dates = EnglishDate().Matches(sentence);
        if (dates.Count == 1 && EnglishNumber().Matches(sentence.Remove(dates[0].Index, dates[0].Length)).Count == 0)
            yield return (Asking(sentence, dates[0], "which date"), "date", dates[0].Value);
        if (dates.Count > 0)
            yield break;
        // One amount alone: with two, the question would ask for either.
        Match[] numbers = [.. EnglishNumber().Matches(sentence)
            .Where(match => match.Groups["unit"] is { Success: true } unit && !EnglishStopWords.Contains(unit.Value)
                && !Bound().IsMatch(sentence[..match.Index]))];
        if (numbers is [var number] && number.Groups["unit"].Value is var unit)
            yield return (Asking(sentence, number, IsMass(unit) ? $"how much in {unit}" : $"how many {unit}"), "number",
                number.Groups["value"].Value);
    }

    private static string Asking(string sentence, Match what, string word)
    {
        var question = sentence[..what.Index] + word + sentence[(what.Index + what.Length)..].TrimEnd('.') + "?";
        return char.ToUpperInvariant(question[0]) + question[1..];
    }

    private static IEnumerable<(string, string, string)> OfJapanese(string quote)
    {
        if (!quote.EndsWith('。') || JapaneseAnaphora().IsMatch(quote) || TextAnalyzer.Analyze(quote).Count < 4)
            yield break;
        var sentence = quote.ReplaceLineEndings("");
        if (JapaneseDefinition().Match(sentence) is { Success: true } definition)
        {
            yield return ($"{definition.Groups["name"].Value}とは何ですか。", "definition", definition.Groups["what"].Value);
            yield break;
        }

        if (PoliteEnd().Match(sentence) is not { Success: true } end)
            yield break;
        Match[] numbers = [.. JapaneseNumber().Matches(sentence)
            .Where(match => match.Groups["date"].Success || match.Groups["time"].Success || match.Groups["unit"].Success)];
        if (numbers is not [var number])
            yield break;
        bool isDate = number.Groups["date"].Success;
        var unit = number.Groups["unit"].Value;
        // 「である」「だ」で終わる文は「ですか」で問う。
        var ending = end.Groups["plain"].Success ? "ですか。" : end.Value.TrimEnd('。') + "か。";
        var body = sentence[..end.Index];
        if (number.Index + number.Length > body.Length)
            yield break;
        var asked = number.Groups["time"].Success ? "何時" : isDate ? "いつ" : unit is "円" or "ドル" ? "いくら" : "何" + unit;
        var rest = body[(number.Index + number.Length)..];
        yield return (body[..number.Index] + asked + (isDate && rest.StartsWith('に') ? rest[1..] : rest) + ending,
            isDate ? "date" : "number",
            number.Value);
    }

    private static bool IsName(string text) => text.Length is > 0 and <= MaxCell && text.Any(char.IsLetterOrDigit);

    private static bool IsMass(string unit)
        => unit is "euros" or "dollars" or "yen" or "kg" or "g" or "W" or "kW" or "V" or "A" or "dB" or "m" or "cm" or "mm" or "km" or "GB"
            or "MB" or "TB" or "MWh" or "kWh" or "percent" or "litres" or "liters";

    // A heading's first letter says nothing, unless the word is an abbreviation or a code.
    private static string Lower(string text)
        => text.Length > 1 && char.IsUpper(text[0]) && text[1..].All(c => !char.IsUpper(c) && !char.IsDigit(c))
            && !text.Contains(' ', StringComparison.Ordinal) ? char.ToLowerInvariant(text[0]) + text[1..]
            : ArticleStart().Replace(text, match => match.Value.ToLowerInvariant());

    [GeneratedRegex(@"^(The|An?)\b")]
    private static partial Regex ArticleStart();

    [GeneratedRegex(@"(?<!^)\b\p{Lu}|(?<!\d)(?!(?:19|20)\d\d(?!\d))\d")]
    private static partial Regex OwnName();

    [GeneratedRegex(@"[.!?]\s+\p{Lu}")]
    private static partial Regex TwoSentences();

    [GeneratedRegex(@"\b(?:more|less|fewer|later|earlier|older|younger) than\s$|\b(?:over|under|above|below|within|beyond)\s$")]
    private static partial Regex Bound();

    [GeneratedRegex(@"^\s*(?:[-*•・]\s*)?(?<name>[^:：|]{2,40})[:：]\s*(?<value>[^:：|\n]+)$")]
    private static partial Regex Label();

    [GeneratedRegex(@"^(It|Its|This|These|They|Their|That|Those|He|She|His|Her|We|Our|You|Your|I|There|Here|Such|Both|If|In this"
        + @"|For this|Then|But|And|Or|So|Also|However|Another|Other|See|Note)\b")]
    private static partial Regex EnglishAnaphora();

    [GeneratedRegex(@"^(?<name>(?:An?\s+)?[A-Z]?[\w-]+(?:\s[\w-]+){0,3})\s(?:is|are)\s(?<what>(?:an?|the)\s[^.;:]{12,180})\.$")]
    private static partial Regex EnglishDefinition();

    [GeneratedRegex(@"\b(?:\d{1,2}\s(?:January|February|March|April|May|June|July|August|September|October|November|December)\s\d{4}"
        + @"|\d{4}-\d\d-\d\d)\b")]
    private static partial Regex EnglishDate();

    [GeneratedRegex(@"(?<value>(?<![\w.,-])\d[\d,.]*\d|(?<![\w.,-])\d)(?:\s(?<unit>percent|%|[A-Za-z]{1,14})(?![\w-]))?")]
    private static partial Regex EnglishNumber();

    [GeneratedRegex(@"^(これ|それ|この|その|あれ|ここ|そこ|また|なお|例えば|たとえば|ただし|しかし|そして|彼|彼女|同|私|以下|次)")]
    private static partial Regex JapaneseAnaphora();

    [GeneratedRegex(@"^(?<name>[^、。は]{2,30})とは、?(?<what>[^。]{8,160})(?:である|です|をいう|のことである|のことです)。$")]
    private static partial Regex JapaneseDefinition();

    [GeneratedRegex(@"(?<date>\d{4}年\d{1,2}月\d{1,2}日)|(?<time>\d{1,2}時(?:\d{1,2}分|半)?(?!間))|(?<![\dA-Za-z.,-])\d[\d,.]*(?<unit>[万億]?(?:円"
        + @"|ドル|人|名|件|個|台|本|枚|回|日間|日|時間|分間|分|秒|か月"
        + @"|ヶ月|年間|週間|キロ|メートル"
        + @"|平方メートル|リットル|度|階|番|冊|種類|パーセント))?")]
    private static partial Regex JapaneseNumber();

    [GeneratedRegex(@"(?:です|ます|でした|ました)。$|(?<plain>である|だ)。$")]
    private static partial Regex PoliteEnd();
}
