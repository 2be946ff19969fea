using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Foundation.Security;

/// <summary>
/// Finds instructions to a model in a text that is meant to be information (indirect prompt injection), in English and Japanese: requests
/// to disregard instructions, marks of chat roles and control tokens, hidden characters, addresses that carry data out, encoded text.
/// </summary>
/// <remarks>
/// It looks for known forms and is no proof that a text is harmless: keep the other guards. Full-width, styled and look-alike letters are
/// read as plain ones, and invisible characters are read over. The same text gives the same findings on every machine. Thread-safe.
/// </remarks>
public static partial class InjectionScanner
{
    /// <summary>The version of the rules: a text that was judged by another one is worth another look.</summary>
    public const int Version = 2;

    private const int MaxExcerpt = 120;

    // So far from a mark, a request belongs to the turn that the mark opens.
    private const int TurnReach = 400;

    // Of a run of blanks, what the rules see: enough to tell an indentation from the margin. Rules repeat blanks freely, and would look at
    // a long run again from each of its characters.
    private const int MaxBlanks = 4;
    private const int MaxLineBreaks = 2;

    // Decoded text is decoded again at most so often.
    private const int MaxDepth = 2;

    private static readonly (InjectionKind Kind, InjectionSeverity Severity, Regex Pattern)[] Rules =
    [
        (InjectionKind.Override, InjectionSeverity.High, Disregard()),
        (InjectionKind.Override, InjectionSeverity.High, NewRules()),
        (InjectionKind.Override, InjectionSeverity.High, Persona()),
        (InjectionKind.Override, InjectionSeverity.High, JapaneseDisregard()),
        (InjectionKind.Override, InjectionSeverity.High, JapanesePersona()),
        (InjectionKind.Address, InjectionSeverity.High, ToTheModel()),
        (InjectionKind.Address, InjectionSeverity.High, JapaneseToTheModel()),
        (InjectionKind.Address, InjectionSeverity.Medium, WhenAsked()),
        (InjectionKind.Concealment, InjectionSeverity.High, BehindTheUser()),
        (InjectionKind.Concealment, InjectionSeverity.High, JapaneseBehindTheUser()),
        (InjectionKind.Disclosure, InjectionSeverity.High, Reveal()),
        (InjectionKind.Disclosure, InjectionSeverity.High, JapaneseReveal()),
        (InjectionKind.Exfiltration, InjectionSeverity.High, SendOut()),
        (InjectionKind.Exfiltration, InjectionSeverity.High, JapaneseSendOut()),
        (InjectionKind.Exfiltration, InjectionSeverity.High, CarryingLink()),
        (InjectionKind.RoleMarker, InjectionSeverity.High, SpeakingAsSystem()),
        (InjectionKind.RoleMarker, InjectionSeverity.Medium, RoleHeading()),
        (InjectionKind.ControlToken, InjectionSeverity.Medium, ControlToken()),
    ];

    /// <summary>Scans a text.</summary>
    /// <param name="text">The text, as a model would be shown it. The work grows as the text does.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>What was found, by place; none for a text that only informs.</returns>
    /// <exception cref="OperationCanceledException">The work was stopped.</exception>
    public static IReadOnlyList<InjectionFinding> Scan(string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        var findings = new List<InjectionFinding>();
        Scan(text, findings, 0, cancellationToken);
        findings.Sort((x, y) => (x.Start, x.Kind).CompareTo((y.Start, y.Kind)));
        return findings;
    }

    /// <summary>
    /// The text without what people cannot see and a model reads: format characters, tags; the joiners that emoji and some scripts need
    /// stay.
    /// </summary>
    /// <param name="text">The text.</param>
    public static string Visible(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var visible = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            if (rune.Value is 0x200c or 0x200d || Rune.GetUnicodeCategory(rune) != UnicodeCategory.Format)
                visible.Append(rune.ToString());
        return visible.ToString();
    }

    private static void Scan(string text, List<InjectionFinding> findings, int depth, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var folded = Folded.Of(text);
        int before = findings.Count;
        foreach (var (kind, severity, pattern) in Rules)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var match in pattern.EnumerateMatches(folded.Text))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (start, end) = folded.Source(match.Index, match.Index + match.Length);
                var actual = severity == InjectionSeverity.High && IsExample(folded.Text, match.Index, match.Index + match.Length)
                    ? InjectionSeverity.Medium : severity;
                findings.Add(Finding(kind, actual, text, start, end));
            }
        }

        // A whole turn that is put into the model's mouth: the mark and, close after it, a request.
        for (int i = before; i < findings.Count; i++)
            if (findings[i] is { Kind: InjectionKind.ControlToken or InjectionKind.RoleMarker, Severity: InjectionSeverity.Medium } mark
                && Request().IsMatch(folded.Text.AsSpan(folded.Index(mark.Start),
                    Math.Min(TurnReach, folded.Text.Length - folded.Index(mark.Start)))))
                findings[i] = mark with { Severity = InjectionSeverity.High };

        FindHidden(text, findings);
        foreach (var match in Spelled().EnumerateMatches(folded.Text))
        {
            var word = string.Concat(folded.Text.AsSpan(match.Index, match.Length).ToString().Where(char.IsLetter));
            if (SpelledRequest().IsMatch(word))
            {
                var (start, end) = folded.Source(match.Index, match.Index + match.Length);
                findings.Add(Finding(InjectionKind.Override, InjectionSeverity.High, text, start, end));
            }
        }

        if (depth < MaxDepth)
            FindEncoded(text, findings, depth, cancellationToken);
    }

    private static InjectionFinding Finding(InjectionKind kind, InjectionSeverity severity, string text, int start, int end)
        => new(kind, severity, start, end - start, Visible(text[start..Math.Min(end, start + MaxExcerpt)]).ReplaceLineEndings(" "));

    // A text about such attacks quotes them: with quotation marks, and words before that announce an example.
    private static bool IsExample(string text, int start, int end)
    {
        bool opened = start > 0 && "\"'“‘`「『«".Contains(text[start - 1], StringComparison.Ordinal);
        int close = text.AsSpan(end, Math.Min(80, text.Length - end)).IndexOfAny("\"'”’`」』»");
        return opened && close >= 0 && Announcement().IsMatch(text.AsSpan(Math.Max(0, start - 160), start - Math.Max(0, start - 160)));
    }

    private static void FindHidden(string text, List<InjectionFinding> findings)
    {
        int within = 0, firstWithin = -1;
        for (int i = 0; i < text.Length;)
        {
            if (text[i] < 0x80)
            {
                i++;
                continue;
            }

            Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out int length);
            int start = i;
            if (KindOf(rune.Value) is not { } kind)
            {
                i += length;
                continue;
            }

            int count = 0;
            while (i < text.Length && Rune.DecodeFromUtf16(text.AsSpan(i), out rune, out length) == System.Buffers.OperationStatus.Done
                && KindOf(rune.Value) == kind)
            {
                count++;
                i += length;
            }

            // Flags of regions are a black flag and tags; a byte order mark may begin a text.
            bool isFlag = kind == 'T' && start >= 2 && char.IsSurrogatePair(text[start - 2], text[start - 1])
                && char.ConvertToUtf32(text[start - 2], text[start - 1]) == 0x1F3F4 && count <= 8;
            if (kind == 'T' && !isFlag)
                findings.Add(new InjectionFinding(
                    InjectionKind.HiddenText, InjectionSeverity.High, start, i - start,
                    $"{count} invisible tag characters: {Tags(text[start..i])}"));
            else if (kind == 'V' && count >= 4)
                findings.Add(new InjectionFinding(
                    InjectionKind.HiddenText, InjectionSeverity.High, start, i - start, $"{count} variation selectors in a row"));
            else if (kind == 'O')
                findings.Add(new InjectionFinding(
                    InjectionKind.HiddenText, InjectionSeverity.Medium, start, i - start, "an override of the writing direction"));
            else if (kind == 'Z' && count >= 8)
                findings.Add(new InjectionFinding(
                    InjectionKind.HiddenText, InjectionSeverity.High, start, i - start, $"{count} invisible characters in a row"));
            else if (kind == 'Z' && start > 0 && i < text.Length && char.IsAsciiLetter(text[start - 1]) && char.IsAsciiLetter(text[i]))
            {
                within++;
                firstWithin = firstWithin < 0 ? start : firstWithin;
            }
        }

        // One such character comes with copied web pages; many cut words up so that a filter does not know them.
        if (within >= 3)
            findings.Add(new InjectionFinding(
                InjectionKind.HiddenText, InjectionSeverity.Medium, firstWithin, 1, $"{within} invisible characters within words"));
    }

    private static char? KindOf(int value) => value switch
    {
        >= 0xE0000 and <= 0xE007F => 'T',
        (>= 0xFE00 and <= 0xFE0F) or (>= 0xE0100 and <= 0xE01EF) => 'V',
        0x202D or 0x202E => 'O',
        0x200B or 0x200C or 0x200D or (>= 0x2060 and <= 0x2064) or 0xFEFF or 0x180E or 0x115F or 0x1160 or 0x3164 or 0xFFA0 => 'Z',
        _ => null,
    };

    private static string Tags(string tags)
    {
        var letters = tags.EnumerateRunes().Select(rune => rune.Value - 0xE0000).Where(value => value is >= 0x20 and < 0x7F)
            .Select(value => (char)value).Take(MaxExcerpt);
        return string.Concat(letters);
    }

    // Base64 and hexadecimal digits that are text again: harmless data is none, and hidden requests are found by scanning what they say.
    private static void FindEncoded(string text, List<InjectionFinding> findings, int depth, CancellationToken cancellationToken)
    {
        foreach (var match in Blob().EnumerateMatches(text))
        {
            var blob = text.AsSpan(match.Index, match.Length);
            if (Decode(blob) is not { } decoded)
                continue;
            var inner = new List<InjectionFinding>();
            Scan(decoded, inner, depth + 1, cancellationToken);
            var worst = inner.MaxBy(finding => finding.Severity);
            var severity = worst is { Severity: >= InjectionSeverity.Medium } ? InjectionSeverity.High : InjectionSeverity.Low;
            findings.Add(new InjectionFinding(
                InjectionKind.EncodedText, severity, match.Index, match.Length,
                $"encoded text: {Visible(decoded[..Math.Min(decoded.Length, MaxExcerpt)]).ReplaceLineEndings(" ")}"));
        }
    }

    private static string? Decode(ReadOnlySpan<char> blob)
    {
        byte[] bytes;
        if (blob.Length % 2 == 0 && !blob.ContainsAnyExcept("0123456789abcdefABCDEF"))
        {
            bytes = Convert.FromHexString(blob);
        }
        else
        {
            var plain = blob.TrimEnd('=').ToString().Replace('-', '+').Replace('_', '/');
            if (plain.Length % 4 == 1)
                plain = plain[..^1];
            bytes = new byte[plain.Length];
            if (!Convert.TryFromBase64String(plain.PadRight((plain.Length + 3) / 4 * 4, '='), bytes, out int written))
                return null;
            bytes = bytes[..written];
        }

        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
            // Words have letters and blanks; an identifier that happens to decode has few of them.
            int letters = text.Count(c => char.IsLetter(c) || c is ' ' or '\n');
            return text.Length >= 12 && !text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')) && letters >= 0.8 * text.Length
                ? text : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>A text as the rules read it: lower case, plain letters, nothing invisible; with the way back.</summary>
    private readonly record struct Folded(string Text, int[]? Places)
    {
        public static Folded Of(string text)
        {
            if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\x7f') && !HasLongBlanks(text))
                return new Folded(text.ToLowerInvariant(), null);
            var folded = new StringBuilder(text.Length);
            var places = new List<int>(text.Length + 1);
            int blanks = 0, breaks = 0;
            for (int i = 0; i < text.Length;)
            {
                if (text[i] < 0x80)
                {
                    Append(char.ToLowerInvariant(text[i]), i);
                    i++;
                    continue;
                }

                Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out int length);
                if (KindOf(rune.Value) is null && Rune.GetUnicodeCategory(rune) != UnicodeCategory.Format)
                    foreach (char c in Plain(rune))
                        Append(c, i);
                i += length;
            }

            places.Add(text.Length);
            return new Folded(folded.ToString(), [.. places]);

            void Append(char c, int place)
            {
                if (!char.IsWhiteSpace(c))
                    (blanks, breaks) = (0, 0);
                else if (c == '\n' ? ++breaks > MaxLineBreaks : ++blanks > MaxBlanks)
                    return;
                else if (c == '\n')
                    blanks = 0;
                folded.Append(c);
                places.Add(place);
            }
        }

        private static bool HasLongBlanks(string text)
        {
            int run = 0;
            foreach (char c in text)
                if ((run = char.IsWhiteSpace(c) ? run + 1 : 0) > MaxBlanks)
                    return true;
            return false;
        }

        public (int Start, int End) Source(int start, int end)
            => Places is null ? (start, end) : (Places[start], end < Places.Length ? Math.Max(Places[end], Places[start] + 1) : Places[^1]);

        public int Index(int source)
        {
            if (Places is null)
                return source;
            int at = Array.BinarySearch(Places, source);
            return Math.Min(at < 0 ? ~at : at, Text.Length);
        }

        private static string Plain(Rune rune)
        {
            if (LookAlikes.TryGetValue(Rune.ToLowerInvariant(rune).Value, out char alike))
                return alike.ToString();
            // Full-width, styled and circled letters; what is written in other scripts stays.
            if (rune.Value is >= 0x3040 and <= 0x9FFF)
                return rune.ToString();
            return Normalizer.Normalize(rune.ToString(), NormalizationForm.FormKC).ToLowerInvariant();
        }
    }

    // Cyrillic and Greek letters that look like Latin ones, each with the one that it looks like.
    private static readonly Dictionary<int, char> LookAlikes =
        ("\u0430a\u0432b\u0435e\u043Ak\u043Cm\u043Dh\u043Eo\u0440p\u0441c\u0442t\u0443y\u0445x\u0456i\u0458j"
            + "\u0455s\u0501d\u04BBh\u04CFl\u03B1a\u03BFo\u03C1p\u03B5e\u03B9i\u03BDv\u03BAk\u03C5u\u03C4t")
                .Chunk(2).ToDictionary(pair => (int)pair[0], pair => pair[1]);

    private const RegexOptions Style = RegexOptions.CultureInvariant | RegexOptions.Multiline;

    private const string What =
        @"(?:instructions?|prompts?|directions?|directives?|guidelines?|rules|commands?|orders|constraints|restrictions|programming|"
        + @"training|"
        + @"policies|safety\s+(?:measures|filters)|context|conversation|messages?)\b";

    [GeneratedRegex(
        @"(?<=^|[.!?:;,\-*""'“(>\]|]\s*|\b(?:please|now|must|should|then|and|you\s+to|instead|immediately|simply|just|will|kindly|urgent|"
        + @"important|task|is\s+to|assistant|ai)\s+)"
        + @"(?<!\b(?:if|when|unless|not|never|who|that)\s+(?:you\s+)?(?:must\s+|should\s+|and\s+)?)"
        + @"(?:completely\s+|entirely\s+|totally\s+)?"
        + @"(?:ignore|disregard|forget|override|overwrite|bypass|discard|abandon|drop|(?:do\s+not|don't|stop|cease)\s+(?:follow|obey|"
        + @"observ)(?:ing)?|"
        + @"pay\s+no\s+attention\s+to)\s+(?:about\s+)?(?:\w+\s+){0,3}?(?:previous|prior|above|earlier|preceding|foregoing|all|any|your|"
        + @"system|"
        + @"existing|former|original|initial|developer'?s?|given)\s+(?:\w+[\s,]+){0,4}?" + What
        + @"|(?<=^|[.!?:;]\s*)(?:ignore|disregard|forget)\s+(?:everything|anything|all|what)(?:\s+(?:that|which))?"
        + @"(?:\s+(?:you|was|were|i|has|have|been|were))?\s+(?:\w+\s+)?(?:told|above|before|said|written|instructed|learned|wrote)",
        Style)]
    private static partial Regex Disregard();

    [GeneratedRegex(
        @"\b(?:new|updated|revised|real|actual|true|hidden)\s+(?:system\s+|developer\s+)?(?:instructions?|prompt|directives?|task|"
        + @"objective)"
        + @"(?:\s+(?:for\s+you|follows?|begins?|starts?))?\s*[:：]\s*(?=\w*\W{0,4}(?:you|ignore|reply|respond|answer|say|print|reveal|send|"
        + @"from|act|"
        + @"output|always|never|do|tell|write|repeat|forget|disregard|recommend))|"
        + @"\bfrom\s+now\s+on,?\s+(?:you\s+(?:will|must|should|are|shall|only)|(?:always|only)\s+(?:answer|reply|respond|say|recommend)|"
        + @"(?:ignore|answer|respond|reply)\b)|"
        + @"\b(?:these|the\s+following|this)\s+(?:new\s+)?(?:instructions?|rules|message|text)\s+(?:supersedes?|overrides?|replaces?|"
        + @"takes?\s+(?:precedence|priority)\s+over)\s+(?:\w+\s+){0,4}?(?:instructions?|prompts?|rules|guidelines|commands)",
        Style)]
    private static partial Regex NewRules();

    [GeneratedRegex(
        @"\byou\s+are\s+(?:now|no\s+longer)\s+(?:\w+\s+){0,4}?(?:dan|jailbroken|unrestricted|unfiltered|assistant|ai|chatbot|model|bot|"
        + @"persona|mode|hacker|evil|bound|restricted|limited)\b|"
        + @"\b(?:enter|enable|activate|switch\s+to|engage)\s+(?:\w+\s+){0,2}?(?:developer|dan|jailbreak|god|debug|admin|unrestricted|"
        + @"maintenance)\s+mode\b(?=.{0,80}\b(?:you|your|restrictions|filters|rules|instructions|prompt)\b)|"
        + @"\b(?:act|behave|respond|pretend)\s+(?:as|like|to\s+be|as\s+if\s+you\s+(?:are|were|have))\s+(?:\w+\s+){0,4}?(?:dan\b|"
        + @"no\s+(?:rules|"
        + @"restrictions|guidelines)|unrestricted|jailbroken|without\s+(?:any\s+)?(?:rules|restrictions|filters|limits))",
        Style)]
    private static partial Regex Persona();

    [GeneratedRegex(
        @"(?:これまで|今まで|いままで|それまで|以前|上記|上述|前述|前回|直前|先ほど|先程|既存|元|従来|与えられた|受け取った|すべて|全て|全部|あらゆる|"
        + @"システム|開発者|あなた)(?:から|に|が|の|に?与えられた|受けた|まで)*(?:の|、)?[^。\n]{0,10}?(?:指示|命令|プロンプト|ルール|規則|制約|制限|指令|文脈|"
        + @"ガイドライン|会話)(?:など)?(?:を|は|には?|について)?(?:全て|すべて|完全に|一切|全部|ただちに|直ちに|今すぐ|、)*(?:無視|忘れ|破棄|無効に|従わな|従うな|"
        + @"取り消|上書き|解除)(?!(?:した場合|したとき|した時|すると|すれば|したら|する(?:者|人|行為|運転|こと)|せず|しない|した(?:者|人|ため|結果)|されて?|でき|"
        + @"れた|れて|れない|られ|い(?:者|人|場合)))",
        Style)]
    private static partial Regex JapaneseDisregard();

    [GeneratedRegex(
        @"(?:あなた|君|お前)は(?:今から|これから|今後|もはや|現在)、?[^。\n]{0,30}?(?:です|だ|として|になりき|ではな|AI|ai|モード|アシスタント)|"
        + @"(?:今後|これ以降|以降|これから)は?、?(?:必ず|常に|すべて|全て)?[^。\n]{0,20}?(?:とだけ|としてのみ|の指示にのみ|の指示だけに)[^。\n]{0,12}?(?:答え|回答|従|返答|"
        + @"出力)|新(?:しい|たな)(?:システム)?(?:指示|命令|プロンプト|ルール)[:：]|(?:開発者|脱獄|デバッグ|管理者|無制限)モード(?:に|を)(?:入|切り替|有効|起動|なっ)",
        Style)]
    private static partial Regex JapanesePersona();

    [GeneratedRegex(
        @"\b(?:attention|notice|note|message|instructions?|important|reminder|memo|command|directive)s?(?:\s*[,:\-])?(?:\s*(?:to|for|"
        + @"addressed\s+to))?\s+"
        + @"(?:the\s+|any\s+|all\s+|every\s+)?(?:\w+\s+)?(?:ai|a\.i\.|llms?|(?:large\s+)?language\s+models?|(?:ai\s+)?assistants?|"
        + @"chatbots?|"
        + @"ai\s+agents?|chatgpt|gpt|claude|gemini|copilot|bots?)\b(?:\s+\w+){0,6}?\s*[:,!\-—]|"
        + @"\b(?:if\s+you\s+are|as)\s+an?\s+(?:ai|llm|(?:large\s+)?language\s+model|(?:ai\s+)?assistant|chatbot|bot)(?:\s+\w+){0,8}?,?\s+"
        + @"(?:you\s+(?:must|should|will|have\s+to|need\s+to|are\s+(?:required|instructed))|please|ignore|reply|respond|answer|say|add|"
        + @"recommend|"
        + @"include|do\s+not|mention|tell|output|print|insert|give|rate)\b|"
        + @"^[^\w\n]{0,16}(?:dear\s+|hey\s+|hello\s+)?(?:ai|llm|assistant|chatbot|chatgpt|claude|gemini|"
        + @"copilot)(?:\s+model)?\s*[,:!]\s+(?:please\s+|you\s+"
        + @"(?:must|should|will)\s+)?(?:ignore|reply|respond|answer|say|add|recommend|include|do\s+not|tell|output|print|send|reveal|"
        + @"forget|stop|rate|approve|mention|give)\b",
        Style)]
    private static partial Regex ToTheModel();

    [GeneratedRegex(
        @"(?:ai|人工知能|言語モデル|llm|アシスタント|チャットボット|chatgpt|生成ai)(?:モデル|アシスタント)?(?:へ(?!の(?:期待|取り組み|対応|投資))の?|に対する|宛て?の?|向けの?)"
        + @"(?:重要な|新しい|秘密の|追加の|隠し)?(?:指示|命令|メッセージ|お願い|通知|注意)(?:[:：]|です|。|、)|"
        + @"(?:ai|言語モデル|llm|アシスタント|チャットボット)(?:である|の)?(?:あなた|君)は、?[^。\n]{0,40}?(?:してください|しなさい|せよ|すること|なければな|べきです)|"
        + @"(?:この(?:文書|文章|ページ|テキスト)を(?:読んで|要約して|処理して)いる|要約する)(?:ai|アシスタント|モデル|llm)[^。\n]{0,40}?(?:してください|しなさい|せよ|こと)",
        Style)]
    private static partial Regex JapaneseToTheModel();

    [GeneratedRegex(
        @"\b(?:if|when|whenever)\s+(?:the\s+user|(?:you\s+are\s+)?asked|you\s+(?:summari[sz]e|answer|read)|summari[sz]ing|"
        + @"answering)\b[^.\n]{0,80}?,?\s+"
        + @"(?:you\s+(?:must|should|will)|always|only|instead)\s+(?:say|answer|reply|respond|tell|recommend|state|claim|include|output|"
        + @"write)\b",
        Style)]
    private static partial Regex WhenAsked();

    [GeneratedRegex(
        @"\b(?:do\s+not|don't|never|must\s+not|without)\s+(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|"
        + @"notify(?:ing)?|"
        + @"alert(?:ing)?|let(?:ting)?|show(?:ing)?|warn(?:ing)?)\s+(?:this\s+|these\s+|it\s+|that\s+|any\s+of\s+this\s+|"
        + @"this\s+instruction\s+|"
        + @"these\s+instructions\s+)?(?:to\s+)?(?:the\s+)?(?:user|human|reader|person\s+asking)s?\b(?!'s\s+(?:name|password|address|mail))"
        + @"(?:(?=\s*(?:[.!\n]|$|about\s+(?:this|these|it)|know|of\s+this|that\s+you|this))|(?<=(?:this|it|these|"
        + @"that)\s+(?:to\s+)?(?:the\s+)?\w+))",
        Style)]
    private static partial Regex BehindTheUser();

    [GeneratedRegex(
        @"(?:この(?:指示|こと|件|命令|メッセージ|文)|これ|以上の(?:こと|指示))(?:の存在)?(?:は|を|について(?:は)?)、?(?:決して|絶対に)?(?:ユーザー?|利用者|質問者|人間)(?:に|には|へは?)"
        + @"[^。\n]{0,12}?(?:知らせ|伝え|教え|言わ|明かさ|言及し|話さ|見せ)(?:ない|ず|るな|てはなら|てはいけ)|"
        + @"(?:ユーザー?|利用者|質問者)(?:に|には|へ)(?:気づかれ|知られ|悟られ)(?:ないよう|ず|ることなく)[^。\n]{0,40}?(?:送|実行|変更|削除|出力|回答|答え)",
        Style)]
    private static partial Regex JapaneseBehindTheUser();

    [GeneratedRegex(
        @"(?<!\b(?:not|never|n't|cannot|could|can)\s+)\b(?:reveal|print|repeat|output|leak|expose|disclose|recite|dump|show\s+(?:me|us)|"
        + @"tell\s+(?:me|us)|"
        + @"give\s+(?:me|us)|write\s+out|copy)\s+(?:\w+\s+){0,3}?(?:your|the)\s+(?:\w+\s+){0,2}?(?:system|hidden|initial|original|secret|"
        + @"developer|"
        + @"internal|full)\s+(?:\w+\s+)?(?:prompts?|instructions?|messages?|rules)\b",
        Style)]
    private static partial Regex Reveal();

    [GeneratedRegex(
        @"(?:システム|初期|隠し|内部|開発者)(?:の)?(?:プロンプト|指示|命令|メッセージ)(?:の(?:全文|内容|全て|すべて))?(?:を|は)(?:全て|すべて|そのまま|一字一句|、)*[^。\n]{0,8}?"
        + @"(?:表示|出力|教え|明か|開示|公開|書き出|繰り返|見せ|漏ら)(?:し(?:てください|なさい|ろ)|せよ|て(?:ください|くれ)?|ろ|えよ|なさい|すこと)",
        Style)]
    private static partial Regex JapaneseReveal();

    [GeneratedRegex(
        @"\b(?:send|e-?mail|forward|post|upload|exfiltrate|transmit|submit|leak|append|encode|put|include|attach)\s+(?:\w+\W+){0,8}?"
        + @"(?:conversation|chat\s+history|chat\s+log|api\s+keys?|passwords?|credentials?|system\s+prompt|secrets?|tokens?|user'?s?'?\s+"
        + @"(?:\w+\s+)?(?:data|messages?|question|input|name|email|address|files|details)|private\s+(?:data|files|keys?)|context|"
        + @"documents)\b"
        + @"[^.\n]{0,60}?\b(?:to|at|in|into|as)\b[^.\n]{0,40}?(?:https?://|www\.|[\w.\-]{1,64}@[\w\-]{1,64}\.\w|\burl\b|image\s+link|"
        + @"query\s+(?:string|parameter))",
        Style)]
    private static partial Regex SendOut();

    [GeneratedRegex(
        @"(?:会話(?:履歴|の内容|ログ)?|チャット履歴|パスワード|apiキー|認証情報|個人情報|秘密鍵|システムプロンプト|(?:ユーザー?|利用者)の(?:質問|入力|データ|情報|発言))[^。\n]{0,40}?"
        + @"(?:https?://\S{1,300}|[\w.\-]{1,64}@[\w\-]{1,64}\.\w{1,24}|url|外部(?:の)?(?:サーバー?|サイト))"
        + @"[^。\n]{0,16}?(?:送(?:信|れ|り|って)|転送|投稿|アップロード|付け(?:加え|て)|埋め込)",
        Style)]
    private static partial Regex JapaneseSendOut();

    // An image or link whose address has a place for what the model knows.
    [GeneratedRegex(
        @"(?:!?\[[^\]\n]{0,200}\]\(|<img\b[^>\n]{0,200}?\bsrc\s*=\s*[""']?)\s*https?://[^\s)""'>][^\s)""'>?&/=]{0,300}[?&/=][^\s)""'>]{0"
            + @",400}?"
        + @"(?:\{\{?\s*\w|%7b|\$\{|\[(?:insert|data|conversation|secret|summary|user|prompt|history|api)|<(?:insert|data|conversation|"
        + @"secret|"
        + @"summary|user|prompt|history|api)|(?:your_|the_)?(?:conversation|secret|prompt|history|api_?key|password|chat)(?:_here|_data|"
        + @"_summary)?\b"
        + @"(?=[\s)""'>&]))",
        Style)]
    private static partial Regex CarryingLink();

    [GeneratedRegex(
        @"^\W{0,4}(?:system|developer|assistant|admin(?:istrator)?|root|システム|開発者|管理者)(?:\s+(?:message|prompt|override|note|instruction|"
        + @"update|alert)|メッセージ|プロンプト|通知)?\s*[\])}*]{0,3}\s*[:：>]\s*\W{0,4}[^\n]{0,120}?(?:\byou\s+(?:are|must|will|should|have\s+to|"
        + @"may)\b|"
        + @"\b(?:ignore|disregard|override|comply|obey|reveal)\b|\bnew\s+instructions?\b|\bfrom\s+now\s+on\b|"
        + @"\bsafety\s+(?:\w+\s+)?(?:disabled|off)\b|"
        + @"あなたは|無視|従(?:え|って|い)|命令|新しい指示)",
        Style)]
    private static partial Regex SpeakingAsSystem();

    [GeneratedRegex(@"^\s{0,3}#{1,4}\s*(?:system|instructions?|user|human|assistant|response)\s*:\s*$|^[^\S\n]{0,16}\[(?:system|assistant|"
        + @"user)\]\s*(?:\([^)\n]{0,40}\))?\s*[:\n]"
        + @"|</?(?:system|instructions?|assistant|system_prompt|system-reminder|admin)>|\bbegin\s+system\b",
        Style)]
    private static partial Regex RoleHeading();

    [GeneratedRegex(
        @"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text|end_of_text|"
        + @"eom_id|"
        + @"endofprompt|channel|message|start|end|return|call|tool_call|python_tag|observation|startoftext|fim_prefix|end_of_turn|"
        + @"start_of_role|end_of_role|think)\|>|<(?:start|end)_of_turn>|\[/?inst\]|<</?sys>>|</?s>(?=\s*\[inst\])|<｜[^｜\n]{1,30}｜>|"
        + @"<\|[^|\n]{1,20}▁[^|\n]{1,30}\|>",
        Style)]
    private static partial Regex ControlToken();

    // Asks something of a reader that is a model.
    [GeneratedRegex(
        @"\byou\s+(?:are|must|will|should|may\s+now|have\s+to)\b|\b(?:ignore|disregard|comply|obey|reveal|exfiltrate|override)\b|"
        + @"\bfrom\s+now\s+on\b|"
        + @"\b(?:reply|respond|answer)\s+(?:only|with)\b|あなたは|無視し|従って|従え|回答せよ|答えなさい|出力しなさい",
        Style)]
    private static partial Regex Request();

    [GeneratedRegex(
        @"\b(?:injections?|attack(?:s|ers?)?|such\s+as|e\.g\.|for\s+example|for\s+instance|like|phrases?|pattern|jailbreaks?|malicious|"
        + @"says?|saying|"
        + @"reads?|contain(?:s|ing)?)\b|インジェクション|攻撃|例えば|たとえば|など|といった|という(?:文|言葉)",
        Style)]
    private static partial Regex Announcement();

    [GeneratedRegex(@"(?<![\w])(?:[a-z][ ._\-*|]{1,3}){9,80}[a-z](?!\w)", Style)]
    private static partial Regex Spelled();

    [GeneratedRegex(@"ignor(?:e|ing)(?:all|any|the|your|prev|prior|above)|disregard(?:all|any|the|your|prev|prior)|systemprompt|"
        + @"previousinstructions",
        Style)]
    private static partial Regex SpelledRequest();

    [GeneratedRegex(@"(?<![A-Za-z0-9+/_\-=])[A-Za-z0-9+/_\-]{24,8192}={0,2}(?![A-Za-z0-9+/_\-=])", Style)]
    private static partial Regex Blob();
}

/// <summary>What kind of instruction a text holds.</summary>
public enum InjectionKind
{
    /// <summary>A request to disregard other instructions, or to play another role.</summary>
    Override,

    /// <summary>A request that speaks to a model.</summary>
    Address,

    /// <summary>A request to keep something from the user.</summary>
    Concealment,

    /// <summary>A request for the model's instructions.</summary>
    Disclosure,

    /// <summary>A request, or an address with a place, to carry data out.</summary>
    Exfiltration,

    /// <summary>A line that pretends to be spoken by the system or the model.</summary>
    RoleMarker,

    /// <summary>A token that a chat template is made of.</summary>
    ControlToken,

    /// <summary>Characters that a person does not see and a model reads.</summary>
    HiddenText,

    /// <summary>Text that is written in base64 or hexadecimal digits.</summary>
    EncodedText,
}

/// <summary>How sure it is that a text instructs a model.</summary>
public enum InjectionSeverity
{
    /// <summary>Worth a look.</summary>
    Low,

    /// <summary>Seldom in a text that only informs, but harmless in one about models.</summary>
    Medium,

    /// <summary>It instructs a model.</summary>
    High,
}

/// <summary>A passage of a text that instructs a model.</summary>
/// <param name="Kind">What kind of instruction it is.</param>
/// <param name="Severity">How sure that is.</param>
/// <param name="Start">Where it begins, in UTF-16 units of the text.</param>
/// <param name="Length">How long it is.</param>
/// <param name="Excerpt">What it says, on one line and at most 120 characters of it.</param>
public sealed record InjectionFinding(InjectionKind Kind, InjectionSeverity Severity, int Start, int Length, string Excerpt)
{
    /// <summary>The finding for a person.</summary>
    public override string ToString() => $"{Kind} at {Start}: {Excerpt}";
}
