using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.ChatTemplates;
using Kotonoha.Foundation;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;
using Kotonoha.Server.Work;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kotonoha.Server.Http;

/// <summary>Turns whatever goes wrong into an answer in the shape that the interface's clients read.</summary>
internal sealed partial class Errors(ServerAudit audit, ILogger<Errors> logger) : IMiddleware
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            if (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested)
                return;
            var error = Explain(exception);
            if (error.Status is 401 or 403 or 413 or 429)
                audit.Refused(context.Features.Get<Caller>(), context.Request.Method, context.Request.Path, error);
            await WriteAsync(context, error).ConfigureAwait(false);
        }
    }

    /// <summary>What a caller is told about an exception; what nobody expected is logged.</summary>
    public ApiException Explain(Exception exception)
    {
        switch (exception)
        {
            case ApiException api:
                return api;
            case BadHttpRequestException { StatusCode: var status } bad:
                return new ApiException(status, ApiErrorType.Invalid, status == 413 ? "request_too_large" : null, bad.Message);
            case IOException { Source: "Microsoft.AspNetCore.Server.Kestrel.Core" } malformed:
                return ApiException.Invalid(null, $"The body is not transferred by the rules of HTTP: {malformed.Message}", "invalid_body");
            case JsonException json:
                return ApiException.Invalid(null, $"The body is no JSON that can be read: {json.Message}", "invalid_json");
            case ContextOverflowException:
                return ApiException.Invalid("messages", exception.Message, "context_length_exceeded");
            case QueueFullException:
                return new ApiException(429, ApiErrorType.RateLimit, "queue_full", exception.Message)
                {
                    RetryAfter = TimeSpan.FromSeconds(1),
                };
            case AccessException:
                return new ApiException(403, ApiErrorType.Permission, "access_denied", exception.Message);
            case DocumentQuarantinedException:
                return new ApiException(422, ApiErrorType.Invalid, "document_quarantined", exception.Message);
            case DocumentFormatException:
                return new ApiException(422, ApiErrorType.Invalid, "document_unreadable", exception.Message);
            case NotSupportedException or ArgumentException or GrammarException or SamplingException or ChatTemplateException:
                return ApiException.Invalid(null, WithoutParameter(exception));
            case OperationCanceledException:
                return new ApiException(503, ApiErrorType.Server, "cancelled", "The work was stopped before it was done.")
                {
                    RetryAfter = TimeSpan.FromSeconds(1),
                };
            case KotonohaException:
                LogFailed(exception);
                return new ApiException(500, ApiErrorType.Server, "failed", exception.Message);
            default:
                LogUnexpected(exception);
                return new ApiException(500, ApiErrorType.Server, "internal_error",
                    "The server failed at this request; its log says why. The same request will most likely fail again.");
        }
    }

    /// <summary>The body of an error in the shape of the interface that was called.</summary>
    public static JsonObject Body(HttpContext context, ApiException error)
    {
        var path = context.Request.Path;
        if (path.StartsWithSegments("/api", StringComparison.Ordinal)
            && !path.StartsWithSegments("/api/knowledge", StringComparison.Ordinal)
            && !path.StartsWithSegments("/api/training", StringComparison.Ordinal))
            return new JsonObject { ["error"] = error.Message };
        return new JsonObject
        {
            ["error"] = new JsonObject
            {
                ["message"] = error.Message,
                ["type"] = error.Type,
                ["param"] = error.Parameter,
                ["code"] = error.Code,
            },
        };
    }

    public static async Task WriteAsync(HttpContext context, ApiException error)
    {
        context.Response.Clear();
        SecurityHeaders.Set(context);
        context.Response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
            context.Response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);

        if (error.Allow is { } methods)
            context.Response.Headers.Allow = methods;

        // The rest of the body stays unread.
        if (error.Status == 413)
            context.Response.Headers.Connection = "close";
        if (error.Status == 401)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        await Json.WriteAsync(context.Response, Body(context, error)).ConfigureAwait(false);
    }

    // ArgumentException adds the name of a parameter of ours, which says nothing to a caller.
    private static string WithoutParameter(Exception exception)
        => exception is ArgumentException { ParamName: { } name }
            ? exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal)
            : exception.Message;

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed")]
    private partial void LogUnexpected(Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A request failed")]
    private partial void LogFailed(Exception exception);
}
