using System.Globalization;
using Kotonoha.Samples.ToolCalling;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Connector.Tests.ToolCalling;

/// <summary>
/// The functions that the small model has learned to call, with results of their own, so that an answer that holds one has it from here.
/// </summary>
internal sealed class Assistant
{
    /// <summary>What was called, as <c>name(argument, …)</c>.</summary>
    public List<string> Calls { get; } = [];

    /// <summary>What each call gave back.</summary>
    public List<string> Results { get; } = [];

    /// <summary>The functions as Agent Framework takes them.</summary>
    public IReadOnlyList<AIFunction> Functions =>
    [
        AIFunctionFactory.Create(GetWeather, "get_weather"), AIFunctionFactory.Create(GetTime, "get_time"),
        AIFunctionFactory.Create(Add, "add"), AIFunctionFactory.Create(Multiply, "multiply"),
        AIFunctionFactory.Create(ConvertMoney, "convert_money"), AIFunctionFactory.Create(SendMessage, "send_message"),
        AIFunctionFactory.Create(BookTable, "book_table"), AIFunctionFactory.Create(ListTasks, "list_tasks"),
        AIFunctionFactory.Create(SearchDocuments, "search_documents"), AIFunctionFactory.Create(Clock, "clock"),
    ];

    [KernelFunction("get_weather")]
    public string GetWeather(string city) => Called("get_weather", $"windy, {city.Length + 20} degrees", city);

    [KernelFunction("get_time")]
    public string GetTime(string city) => Called("get_time", $"{city.Length:00}:41", city);

    [KernelFunction("add")]
    public int Add(int a, int b) => int.Parse(Called("add", $"{a + b}", a, b), CultureInfo.InvariantCulture);

    [KernelFunction("multiply")]
    public int Multiply(int a, int b) => int.Parse(Called("multiply", $"{a * b}", a, b), CultureInfo.InvariantCulture);

    [KernelFunction("convert_money")]
    public string ConvertMoney(double amount, string from, string to)
        => Called("convert_money", string.Create(CultureInfo.InvariantCulture, $"{amount * 3:F1} {to}"), amount, from, to);

    [KernelFunction("send_message")]
    public string SendMessage(string to, string text) => Called("send_message", "sent", to, text);

    [KernelFunction("book_table")]
    public string BookTable(int people, string date) => Called("book_table", "booked", people, date);

    [KernelFunction("list_tasks")]
    public string ListTasks() => Called("list_tasks", "water garden, market");

    [KernelFunction("search_documents")]
    public string SearchDocuments(string query) => Called("search_documents", "window, letter", query);

    [KernelFunction("clock")]
    public string Clock() => Called("clock", "Friday, 2027-05-14 08:15:30 +00:00");

    /// <summary>The call that is right for a request, as <see cref="Calls"/> has it; null where none is.</summary>
    public static string? Right(ToolRequest request) => request.Call is { } call
        ? $"{call.Name}({string.Join(", ", call.Arguments.EnumerateObject().Select(argument => argument.Value.ToString()))})"
        : null;

    /// <summary>Whether the right call was made, and the answer is made of its result.</summary>
    public bool IsRight(ToolRequest request, string answer) => Right(request) is { } call
        ? Calls is [{ } made] && made == call
            && (Results[0] is "sent" or "booked" || answer.Contains(Results[0], StringComparison.Ordinal))
        : Calls.Count == 0;

    /// <summary>Forgets what was called.</summary>
    public void Clear()
    {
        Calls.Clear();
        Results.Clear();
    }

    private string Called(string name, string result, params object[] arguments)
    {
        var written = arguments.Select(argument => Convert.ToString(argument, CultureInfo.InvariantCulture));
        Calls.Add($"{name}({string.Join(", ", written)})");
        Results.Add(result);
        return result;
    }
}
