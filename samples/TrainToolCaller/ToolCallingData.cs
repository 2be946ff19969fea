using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Training;
using Microsoft.Extensions.AI;

namespace Kotonoha.Samples.ToolCalling;

/// <summary>Which names and values requests are made of. No value is in two pools.</summary>
public enum ValuePool
{
    /// <summary>Those to learn from.</summary>
    Training,

    /// <summary>Those that no training conversation holds.</summary>
    HeldOut,

    /// <summary>None: all values are empty, so that a tokenizer learns the words around them and splits the values small.</summary>
    Blank,
}

/// <summary>A request of a user and the right reaction to it.</summary>
/// <param name="Text">What the user says.</param>
/// <param name="Call">The call that is right, or null where words are.</param>
/// <param name="Result">What the function returns; empty where none is called.</param>
/// <param name="Answer">The answer in words: at once, or after the result.</param>
public sealed record ToolRequest(string Text, ChatToolCall? Call, string Result, string Answer);

/// <summary>
/// Makes requests to an assistant with ten functions, in English and some in Japanese, and conversations of them. The same seed makes the
/// same ones.
/// </summary>
public sealed class ToolCallingData(int seed, ValuePool pool = ValuePool.Training)
{
    private const int HeldOutOneIn = 4;

    private static readonly string[] Onsets =
        ["B", "D", "F", "G", "H", "J", "K", "L", "M", "N", "P", "Q", "R", "S", "T", "V", "W", "X", "Y", "Z", "Br", "Ch", "Dr", "Gr", "Kl",
            "Pl", "Sh", "St", "Th", "Tr", "A", "E", "I", "O", "U", "C"];

    private static readonly string[] Vowels = ["a", "e", "i", "o", "u", "ai", "ea", "io", "ou", "y"];
    private static readonly string[] Inner =
        ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "c", "h", "w", "j", "x", "q", "ll", "nd", "rt", "st", "th"];

    private static readonly string[] Codas =
        ["", "", "n", "r", "s", "l", "m", "t", "k", "d", "ck", "ng", "er", "ow", "le", "ing", "en", "et", "or", "ty", "ge", "ter"];
    private static readonly string[] Names =
        ["Alice", "Ben", "Carol", "David", "Emma", "Frank", "Grace", "Hugo", "Irene", "Jack", "Kaito", "Lena", "Maria", "Nadia", "Oscar",
            "Paula", "Quinn", "Rosa", "Sofia", "Tom", "Ursula", "Victor", "Wendy", "Xenia", "Yuki", "Zoe", "Akira", "Haruto", "Sakura"];

    private static readonly string[] Cities =
        ["Lisbon", "Oslo", "Nagoya", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Prague", "Dublin", "Tokyo", "Osaka", "Kyoto",
            "Sapporo", "London", "Boston", "Chicago", "Denver", "Toronto", "Sydney", "Cairo", "Nairobi", "Lima", "Bogota", "Hanoi",
            "Seoul", "Delhi", "Mumbai", "Athens", "Zurich", "Geneva", "Helsinki", "Warsaw", "Budapest"];

    private static readonly string[] Kana =
        ["ア", "イ", "ウ", "エ", "オ", "カ", "キ", "ク", "ケ", "コ", "サ", "シ", "ス", "セ", "ソ", "タ", "チ", "テ", "ト", "ナ", "ニ", "ネ", "ノ",
            "ハ", "ヒ", "フ", "ヘ", "ホ", "マ", "ミ", "ム", "メ", "モ", "ヤ", "ユ", "ヨ", "ラ", "リ", "ル", "レ", "ロ", "ワ", "ン", "ガ", "ダ", "ボ"];

    private static readonly string[] Words =
        ["milk", "bread", "late", "soon", "home", "dinner", "train", "ticket", "garden", "music", "paper", "window", "yellow", "river",
            "mountain", "coffee", "breakfast", "meeting", "project", "report", "summer", "winter", "family", "doctor", "school", "lesson",
            "picture", "letter", "number", "question", "answer", "basket", "bottle", "camera", "candle", "carpet", "castle", "chair",
            "circle", "cloud", "corner", "dragon", "engine", "evening", "farmer", "flower", "forest", "friend", "guitar", "hammer",
            "island", "jacket", "kitchen", "ladder", "market", "mirror", "monkey", "needle", "ocean", "orange", "parrot", "pencil",
            "pepper", "pillow", "planet", "pocket", "potato", "quiet", "rabbit", "ribbon", "rocket", "sailor", "salad", "shadow",
            "silver", "singer", "spider", "spring", "square", "statue", "stone", "sugar", "table", "tiger", "tomato", "tower",
            "travel", "tunnel", "turtle", "valley", "velvet", "violin", "wagon", "walnut", "weather", "whale", "wizard", "yogurt", "zebra"];

    private static readonly string[] Currencies = ["USD", "EUR", "JPY", "GBP", "CHF"];
    private static readonly string[] Skies = ["sunny", "cloudy", "rainy", "windy", "snowy"];

    // One for each of the functions, in their order.
    private static readonly Func<Draw, ToolRequest>[] Callers =
    [
        d => d.Weather(), d => d.Time(), d => d.Sum("add"), d => d.Sum("multiply"), d => d.Money(), d => d.Message(), d => d.Table(),
        d => d.Tasks(), d => d.Search(), d => d.Clock(),
    ];

    private const int CallersWithArguments = 7, ExtractingOneIn = 10;

    private static readonly (string Name, string Description, string[] Functions)[] DesksAndTheirFunctions =
    [
        ("weather", "Knows the weather.", ["get_weather"]), ("clock", "Knows the time.", ["get_time", "clock"]),
        ("sums", "Adds and multiplies.", ["add", "multiply"]), ("bank", "Converts money.", ["convert_money"]),
        ("post", "Sends messages.", ["send_message"]), ("waiter", "Books tables.", ["book_table"]),
        ("tasks", "Lists tasks.", ["list_tasks"]), ("library", "Searches documents.", ["search_documents"]),
    ];

    private const double Prefixed = 0.2, Instructed = 0.3, OfSomeFunctions = 0.4, HandingOver = 0.12;

    private readonly Random _random = new(seed);

    /// <summary>The functions, which do what the results in the conversations say.</summary>
    public static IReadOnlyList<AIFunction> Functions { get; } =
    [
        Function("get_weather", (string city) => WeatherIn(city)),
        Function("get_time", (string city) => TimeIn(city)),
        Function("add", (int a, int b) => a + b),
        Function("multiply", (int a, int b) => a * b),
        Function("convert_money", (double amount, string from, string to) => Converted(amount, from, to)),
        Function("send_message", (string to, string text) => "sent"),
        Function("book_table", (int people, string date) => "booked"),
        Function("list_tasks", () => "none"),
        Function("search_documents", (string query) => "nothing"),
        Function("clock", () => ""),
    ];

    /// <summary>The declarations of the functions, as OpenAI writes them.</summary>
    public static JsonElement Tools { get; } = Declare(Functions.Select(f => (f.Name, "", f.JsonSchema)));

    /// <summary>
    /// The agents of an office, by name, what each says of itself, and its functions. One that receives everybody hands over to them, and
    /// they stand in this order.
    /// </summary>
    public static IReadOnlyList<(string Name, string Description, string[] Functions)> Desks => DesksAndTheirFunctions;

    /// <summary>A request: four of five need a function.</summary>
    public ToolRequest Request() => Request(Callers);

    /// <summary>
    /// A conversation of some requests, their calls, results and answers, as applications have them: with all functions or some, under
    /// their names or behind the name of a plugin; or with the handoffs of a workflow's agent, which has only these to call.
    /// </summary>
    public Conversation Conversation(int requests)
    {
        var turns = new List<ChatTurn>();
        if (_random.NextDouble() < Instructed)
            turns.Add(new ChatTurn(ChatTurn.System, NewDraw().Instructions()));
        if (_random.NextDouble() < HandingOver)
            return Handoffs(turns, requests);
        int[] offered = [.. Enumerable.Range(0, Callers.Length)];
        if (_random.NextDouble() < OfSomeFunctions)
        {
            _random.Shuffle(offered);
            offered = offered[.._random.Next(1, 4)];
        }

        var prefix = pool != ValuePool.Blank && _random.NextDouble() < Prefixed ? $"{NewDraw().Word()}_" : "";
        Func<Draw, ToolRequest>[] callers = [.. offered.Select(i => Callers[i])];
        for (int i = 0; i < requests; i++)
        {
            var request = Request(callers);
            turns.Add(new ChatTurn(ChatTurn.User, request.Text));
            if (request.Call is { } own)
            {
                var call = own with { Name = prefix + own.Name };
                turns.Add(new ChatTurn(ChatTurn.Assistant, "") { ToolCalls = [call] });
                turns.Add(new ChatTurn(ChatTurn.Tool, request.Result) { ToolCallId = call.Id, Name = call.Name });
            }

            turns.Add(new ChatTurn(ChatTurn.Assistant, request.Answer));
        }

        return new Conversation(turns, Declare(offered.Select(i => (prefix + Functions[i].Name, "", Functions[i].JsonSchema))));
    }

    /// <summary>
    /// A short conversation without functions in which the assistant repeats something, which is what small models learn to copy from, or
    /// gives what a request says as JSON.
    /// </summary>
    public Conversation Practice()
    {
        var draw = NewDraw();
        if (_random.Next(ExtractingOneIn) == 0)
        {
            var request = Callers[_random.Next(CallersWithArguments)](draw);
            return new Conversation(
                [new ChatTurn(ChatTurn.User, request.Text), new ChatTurn(ChatTurn.Assistant, request.Call!.Arguments.GetRawText())]);
        }

        var (said, answer) = draw.Copying(_random.Next(3, 9));
        return new Conversation([new ChatTurn(ChatTurn.User, said), new ChatTurn(ChatTurn.Assistant, answer)]);
    }

    /// <summary>Whether a value belongs to those that no training conversation holds.</summary>
    public static bool IsHeldOut(string value) => Hash(value) % HeldOutOneIn == 0;

    private Draw NewDraw() => new(_random, pool, isJapanese: _random.Next(6) == 0);

    private ToolRequest Request(Func<Draw, ToolRequest>[] callers)
    {
        var draw = NewDraw();
        return _random.Next(5) == 0 ? draw.Talk() : callers[_random.Next(callers.Length)](draw);
    }

    // Agent Framework names handoffs by number, in the order in which they are declared, and describes each by the agent that it leads to.
    private Conversation Handoffs(List<ChatTurn> turns, int requests)
    {
        for (int i = 0; i < requests; i++)
        {
            var request = Request(Callers);
            turns.Add(new ChatTurn(ChatTurn.User, request.Text));
            if (request.Call is not { } own)
            {
                turns.Add(new ChatTurn(ChatTurn.Assistant, request.Answer));
                continue;
            }

            var to = HandoffName(Array.FindIndex(DesksAndTheirFunctions, desk => desk.Functions.Contains(own.Name)));
            var call = new ChatToolCall(to, JsonElement.Parse("""{"reasonForHandoff": null}"""), own.Id);
            turns.Add(new ChatTurn(ChatTurn.Assistant, "") { ToolCalls = [call] });
        }

        var schema = AIFunctionFactory.Create((string? reasonForHandoff) => "", "handoff").JsonSchema;
        return new Conversation(turns, Declare(DesksAndTheirFunctions.Select((desk, i) => (HandoffName(i), desk.Description, schema))));

        static string HandoffName(int index) => string.Create(CultureInfo.InvariantCulture, $"handoff_to_{index + 1}");
    }

    private static JsonElement Declare(IEnumerable<(string Name, string Description, JsonElement Parameters)> functions)
        => JsonSerializer.SerializeToElement(functions.Select(
            f => new { type = "function", function = new { name = f.Name, description = f.Description, parameters = f.Parameters } }));

    private static AIFunction Function(string name, Delegate method) => AIFunctionFactory.Create(method, name);

    private static string WeatherIn(string city) => city.Length == 0
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{Skies[Hash(city) / 7 % (uint)Skies.Length]}, {Hash(city) / 64 % 40} degrees");

    private static string TimeIn(string city) => city.Length == 0
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{Hash(city) / 5 % 24:00}:{Hash(city) / 128 % 60:00}");

    private static string Converted(double amount, string from, string to)
        => string.Create(CultureInfo.InvariantCulture, $"{amount * (1 + Hash(from) % 9) / (1 + Hash(to) % 9):F1} {to}");

    // FNV-1a; string.GetHashCode differs between processes.
    private static uint Hash(string value)
    {
        uint hash = 2166136261;
        foreach (char c in value)
            hash = (hash ^ c) * 16777619;
        return hash ^ (hash >> 15);
    }

    /// <summary>The values of one request.</summary>
    private sealed class Draw(Random random, ValuePool pool, bool isJapanese)
    {
        public ToolRequest Weather()
        {
            var city = City();
            var result = WeatherIn(city);
            return Call("get_weather", new { city }, result,
                [
                    $"What is the weather in {city}?", $"How is the weather in {city} today?", $"Is it raining in {city}?",
                    $"Weather for {city}, please.", $"Tell me about the weather in {city}.", $"Do I need an umbrella in {city}?",
                ],
                [$"{city}の天気は?", $"今日の{city}は雨ですか?", $"{city}の天気を教えて"], $"It is {result} in {city}.", $"{city}は{result}です。");
        }

        public ToolRequest Time()
        {
            var city = City();
            var result = TimeIn(city);
            return Call("get_time", new { city }, result,
                [
                    $"What time is it in {city}?", $"Tell me the time in {city}.", $"Current time in {city}?",
                    $"How late is it in {city} now?", $"Time in {city}, please.",
                ],
                [$"{city}は今何時?", $"{city}の時刻を教えて"], $"It is {result} in {city}.", $"{city}は{result}です。");
        }

        public ToolRequest Sum(string name)
        {
            int? a = Number(999), b = Number(999);
            var result = a is null ? "" : Text(name == "add" ? a + b : a * b);
            return Call(name, new { a, b }, result,
                name == "add"
                    ? [$"What is {a} plus {b}?", $"Add {a} and {b}.", $"How much is {a} + {b}?", $"Please add {b} to {a}.", $"{a} + {b}?"]
                    : [$"What is {a} times {b}?", $"Multiply {a} by {b}.", $"How much is {a} * {b}?", $"{a} * {b}?"],
                name == "add" ? [$"{a} と {b} を足して", $"{a} + {b} は?"] : [$"{a} と {b} を掛けて", $"{a} * {b} は?"],
                $"That makes {result}.", $"{result}です。");
        }

        public ToolRequest Money()
        {
            var amount = random.Next(4) == 0 ? Number(99) + 0.5 : Number(9999);
            var from = Pick(Currencies);
            string to = from;
            while (to == from)
                to = Pick(Currencies);
            var result = amount is { } value ? Converted(value, from, to) : "";
            var said = amount?.ToString(CultureInfo.InvariantCulture);
            return Call("convert_money", new { amount, from, to }, result,
                [
                    $"Convert {said} {from} to {to}.", $"How much is {said} {from} in {to}?", $"Change {said} {from} into {to}, please.",
                    $"I have {said} {from}. How many {to} is that?",
                ],
                [$"{said} {from} を {to} に換えて", $"{said} {from} は {to} でいくら?"], $"That is {result}.", $"{result}です。");
        }

        public ToolRequest Message()
        {
            var (to, text) = (Person(), Phrase());
            return Call("send_message", new { to, text }, "sent",
                [
                    $"Send {to} the message: {text}", $"Tell {to}: {text}", $"Write to {to}: {text}", $"Message for {to}: {text}",
                ],
                [$"{to}さんに送って: {text}", $"{to}さんに伝えて: {text}"], $"I have sent it to {to}.", $"{to}さんに送りました。");
        }

        public ToolRequest Table()
        {
            var (people, date) = (Number(99), Date());
            return Call("book_table", new { people, date }, "booked",
                [
                    $"Book a table for {people} on {date}.", $"Reserve a table on {date} for {people} people.",
                    $"We are {people} on {date}. Get us a table.", $"I need a table for {people} people on {date}.",
                ],
                [$"{date} に {people} 人で席を予約して", $"{people} 人の席を {date} に予約して"], $"The table is booked for {date}.",
                $"{date} に予約しました。");
        }

        public ToolRequest Tasks()
        {
            var result = pool == ValuePool.Blank ? "" : $"{Phrase()}, {Phrase()}";
            return Call("list_tasks", new { }, result,
                [
                    "What are my tasks?", "List my tasks.", "Show me my tasks, please.", "What do I have to do today?",
                    "Which tasks are open?",
                ],
                ["今日のタスクは?", "タスクを見せて"], $"Your tasks: {result}.", $"タスク: {result}");
        }

        public ToolRequest Search()
        {
            var query = Phrase();
            var result = pool == ValuePool.Blank ? "" : $"{Phrase()}, {Phrase()}";
            return Call("search_documents", new { query }, result,
                [
                    $"What do you know about {query}?", $"Look up {query}, please.", $"Search for {query}.",
                    $"What do the documents say about {query}?", $"Find {query}.",
                ],
                [$"{query}について調べて", $"{query}を検索して"], $"I have found: {result}", $"見つかりました: {result}");
        }

        public ToolRequest Clock()
        {
            var time = new DateTime(2026, 1, 1).AddMinutes(random.Next(2_000_000));
            var result = pool == ValuePool.Blank ? ""
                : time.ToString("dddd, yyyy-MM-dd HH:mm:ss '+00:00'", CultureInfo.InvariantCulture);
            return Call("clock", new { }, result,
                ["What day is it?", "What is the date today?", "Which day is today?", "What is today's date?"],
                ["今日は何日?", "今日の日付は?"], $"It is {result}.", $"{result}です。");
        }

        public (string Said, string Answer) Copying(int values)
        {
            var text = string.Join(' ', Enumerable.Range(0, values).Select(_ => random.Next(6) switch
            {
                0 => City(),
                1 => Person(),
                2 => Date(),
                3 => Text(Number(9999)),
                _ => Word(),
            }));
            return (isJapanese ? $"{text} と言って" : $"{Pick(["Say", "Repeat", "Repeat after me"])}: {text}", text);
        }

        public ToolRequest Talk()
        {
            var (name, text) = (Person(), Phrase());
            (string, string)[] english =
            [
                ("Hello!", "Hello! How can I help?"), ("Good morning.", "Good morning! How can I help?"),
                ("Thank you very much.", "You are welcome."), ("Thanks!", "You are welcome."), ("Who are you?", "I am a small model."),
                ("What is your name?", "I am a small model."), ("What can you do?", "I can call functions and talk a little."),
                ("Goodbye.", "Goodbye!"), ($"My name is {name}.", $"Nice to meet you, {name}."),
                ($"I am {name}.", $"Nice to meet you, {name}."),
                ($"Say: {text}", text), ($"Repeat after me: {text}", text), ($"Say {name}.", name), ($"Repeat the name {name}.", name),
            ];
            (string, string)[] japanese =
            [
                ("こんにちは", "こんにちは。何をしましょうか?"), ("ありがとう", "どういたしまして。"), ($"私は{name}です", $"よろしく、{name}さん。"),
                ($"{name}と言って", name),
            ];
            var pairs = isJapanese ? japanese : english;
            var (said, answer) = pairs[random.Next(pairs.Length)];
            return new ToolRequest(said, null, "", answer);
        }

        public string Instructions() => Pick([
            "You are a helpful assistant.", $"You are {Person()}.", $"You work for {Person()} in {City()}.", $"Talk about {Phrase()}.",
            "Be brief.", $"You are a {Word()} and you like {Phrase()}. Be brief.",
        ]);

        private ToolRequest Call(
            string name, object arguments, string result, string[] english, string[] japanese, string answer, string japaneseAnswer)
            => new(
                Pick(isJapanese ? japanese : english),
                new ChatToolCall(name, JsonSerializer.SerializeToElement(arguments), Text(random.Next(100_000_000, 1_000_000_000))),
                result,
                isJapanese ? japaneseAnswer : answer);

        private string City() => Value(() => isJapanese ? KanaName() : random.Next(3) == 0 ? Pick(Cities) : Made());

        private string Person() => Value(() => isJapanese ? KanaName() : random.Next(3) == 0 ? Pick(Names) : Made());

        private string Phrase() => Value(() => string.Join(' ', Enumerable.Range(0, random.Next(1, 4)).Select(_ => Word())));

        private string Date() => Value(
            () => new DateOnly(2026, 1, 1).AddDays(random.Next(1200)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));

        private int? Number(int most)
        {
            var text = Value(() => Text(random.Next(2, most + 1)));
            return text.Length == 0 ? null : int.Parse(text, CultureInfo.InvariantCulture);
        }

        // Words are split between the pools too, not the phrases alone.
        public string Word() => Value(() => random.Next(3) == 0 ? Made().ToLowerInvariant() : Pick(Words));

        private string KanaName() => string.Concat(Enumerable.Range(0, random.Next(2, 5)).Select(_ => Pick(Kana)));

        private string Made()
        {
            var name = Pick(Onsets) + Pick(Vowels);
            for (int i = random.Next(1, 3); i > 0; i--)
                name += Pick(Inner) + Pick(Vowels);
            return name + Pick(Codas);
        }

        private string Value(Func<string> make)
        {
            if (pool == ValuePool.Blank)
                return "";
            while (true)
            {
                var value = make();
                if (IsHeldOut(value) == (pool == ValuePool.HeldOut))
                    return value;
            }
        }

        private string Pick(string[] from) => from[random.Next(from.Length)];

        private static string Text(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";
    }
}
